"""What all data sets have in common that come in their authors' own files.

A download is fetched, found below a root, compared with the published size and unpacked;
its lists are text or MATLAB's. `data.originals` and `data.vtab` read data sets with this.
"""
