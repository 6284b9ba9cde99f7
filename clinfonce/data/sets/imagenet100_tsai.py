"""ImageNet-100 of Tsai et al. (2021, arXiv 2106.02869): 100 classes with one parent at each level.

They drew them among the classes that a cut of WordNet puts into one group, whatever the level.
"""

from pathlib import Path

from clinfonce.data.sets.imagenet100 import FETCH, TERMS, read
from clinfonce.data.sets.published import Published
from clinfonce.data.table import ImageTable

# data_processing/imagenet100/selected_100_classes.txt of github.com/Crazy-Jack/Cl-InfoNCE.
CLASSES = """
    n01496331 n01531178 n01537544 n01582220 n01632458 n01641577 n01697457 n01704323 n01739381
    n01740131 n01774384 n01784675 n01818515 n01828970 n01981276 n02018795 n02027492 n02037110
    n02117135 n02128757 n02132136 n02137549 n02177972 n02256656 n02281787 n02317335 n02326432
    n02391049 n02395406 n02408429 n02412080 n02423022 n02444819 n02457408 n02480855 n02487347
    n02510455 n02655020 n02747177 n02791270 n02804414 n02871525 n02906734 n02966687 n02978881
    n03000247 n03065424 n03125729 n03126707 n03197337 n03201208 n03240683 n03255030 n03271574
    n03347037 n03461385 n03529860 n03710193 n03733131 n03769881 n03792972 n03832673 n03884397
    n03891251 n03902125 n03908618 n03933933 n03956157 n03958227 n04040759 n04041544 n04069434
    n04074963 n04116512 n04118776 n04120489 n04154565 n04228054 n04265275 n04296562 n04330267
    n04355338 n04355933 n04409515 n04476259 n04501370 n04550184 n04596742 n04604644 n04612504
    n07565083 n07583066 n07714990 n07873807 n07875152 n07880968 n11879895 n12057211 n12985857
    n13052670
""".split()  # noqa: SIM905 - a list of a hundred lines


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the images; as `clinfonce.data.sets.imagenet100`, of other classes."""
    return IMAGENET100_TSAI.load(root, image_size)


IMAGENET100_TSAI = Published(
    name="imagenet100-tsai",
    fetch=FETCH.replace("n02869837", "n01496331"),
    terms=TERMS,
    # Their number of training images is not published; ILSVRC-2012 has 732 to 1,300 of a class.
    n_images=range(100 * (732 + 50), 100 * (1300 + 50) + 1),
    image_size=224,
    read=lambda root: read(root, CLASSES),
    kinds={"wordnet": "hierarchy"},
)
