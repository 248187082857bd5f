"""What a sample has beside its image."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Target:
    """One thing that a sample has beside its image.

    Attributes:
        shape: of one example's value: () for a number; None for that of the image, without its channels.
        dtype: "int32", "uint8" or "float32".
        spatial: what geometry does to it: None (nothing), "nearest" or "bilinear" (moved as the image is).
        ignore: value that counts for nothing, and that padding gets; or None.
    """

    shape: tuple | None = ()
    dtype: str = "int32"
    spatial: str | None = None
    ignore: int | None = None
