"""Data sets that others published, read from the files that their authors publish.

`coop` reads split files, `tfds` what TensorFlow Datasets prepared, `vtab` and `originals`
the authors' archives (`official`). A download is fetched, found below a root, compared with
the published size and unpacked; its lists are text or MATLAB's.
"""
