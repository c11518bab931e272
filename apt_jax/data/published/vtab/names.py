"""Class names in the order of the labels, as CLIP shall read them.

Those of PETS and RESISC45 are the data sets' own, which TFDS lists in the same
order; EUROSAT gives CoOp's words for the names of its folders. Of tasks whose labels are
numbers or steps the words are ours. DMLab does not say which label is which; the order is
that of LAION's CLIP_benchmark.
"""

from collections.abc import Callable

from apt_jax.data.published.lists import lines, package_file


def listed_in(path: str) -> Callable[[dict], tuple[str, ...]]:
    """The names in a file of the tensorflow-datasets package, one a line."""
    return lambda places: tuple(lines(package_file(path)))


def scene(name: str) -> str:
    """Words in CoOp's order: "outdoor church" for "/c/church/outdoor"."""
    return " ".join(reversed(name.split("/")[2:]))


def _listed(text):
    return tuple(" ".join(name.split()) for name in text.split(","))


EUROSAT = {
    "AnnualCrop": "Annual Crop Land",
    "Forest": "Forest",
    "HerbaceousVegetation": "Herbaceous Vegetation Land",
    "Highway": "Highway or Road",
    "Industrial": "Industrial Buildings",
    "Pasture": "Pasture Land",
    "PermanentCrop": "Permanent Crop Land",
    "Residential": "Residential Buildings",
    "River": "River",
    "SeaLake": "Sea or Lake",
}

DIGITS = tuple(map(str, range(10)))

TISSUES = ("healthy lymph node tissue", "lymph node tumor tissue")

RETINOPATHIES = tuple(
    f"{degree} diabetic retinopathy"
    for degree in ("no", "mild", "moderate", "severe", "proliferative")
)

COUNTS = tuple(f"{count} objects" for count in range(3, 11))

DEPTHS = (
    "less than 8 units",
    "8 to 8.5 units",
    "8.5 to 9 units",
    "9 to 9.5 units",
    "9.5 to 10 units",
    "more than 10 units",
)

VEHICLES = (
    "a vehicle less than 8 m away",
    "a vehicle 8 to 20 m away",
    "a vehicle more than 20 m away",
    "no vehicle",
)

DMLAB = tuple(
    f"{distance} {thing}"
    for thing in ("apple or melon", "lemon")  # of positive and of negative reward
    for distance in ("a close", "a far", "a very far")
)

# In the middle of each of 16 steps of the picture's width.
LOCATIONS = tuple(
    f"{100 * (step + 0.5) / 16:.0f} % from the left" for step in range(16)
)

# Of 40 angles, 0 to 39 in a full turn, steps of 2.5 hold 3, 2, 3, 2, ...; the mean of each.
ORIENTATIONS = tuple(f"{(2.5 * step + 1) * 360 / 39:.0f} degrees" for step in range(16))

AZIMUTHS = tuple(f"{20 * step} degrees" for step in range(18))

ELEVATIONS = tuple(f"{30 + 5 * step} degrees" for step in range(9))

PETS = _listed("""
Abyssinian, american_bulldog, american_pit_bull_terrier, basset_hound, beagle, Bengal,
Birman, Bombay, boxer, British_Shorthair, chihuahua, Egyptian_Mau,
english_cocker_spaniel, english_setter, german_shorthaired, great_pyrenees, havanese,
japanese_chin, keeshond, leonberger, Maine_Coon, miniature_pinscher, newfoundland,
Persian, pomeranian, pug, Ragdoll, Russian_Blue, saint_bernard, samoyed,
scottish_terrier, shiba_inu, Siamese, Sphynx, staffordshire_bull_terrier,
wheaten_terrier, yorkshire_terrier
""")

RESISC45 = _listed("""
airplane, airport, baseball_diamond, basketball_court, beach, bridge, chaparral,
church, circular_farmland, cloud, commercial_area, dense_residential, desert, forest,
freeway, golf_course, ground_track_field, harbor, industrial_area, intersection,
island, lake, meadow, medium_residential, mobile_home_park, mountain, overpass,
palace, parking_lot, railway, railway_station, rectangular_farmland, river,
roundabout, runway, sea_ice, ship, snowberg, sparse_residential, stadium,
storage_tank, tennis_court, terrace, thermal_power_station, wetland
""")
