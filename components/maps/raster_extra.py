"""Why rasterio, the optional extra `raster`, cannot be imported: it is missing, or a library of the system is."""


def why_not_imported(error: ImportError) -> str:
    """Returns what follows "needs rasterio, ": what is wrong, and the way out.

    Args:
      error: What importing rasterio raised.
    """
    if isinstance(error, ModuleNotFoundError):
        return "which is not installed; run `pip install 'agrivision-kfp[raster]'`"
    # GDAL's wheel leaves a few libraries to the system, such as libexpat, which a slim image may lack.
    return f"which is installed but cannot be loaded: {error}; install that library of the system"
