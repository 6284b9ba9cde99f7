"""What the tests of sweeps share."""

import pytest

from tests.scaling.storage import mounted_disk


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, which can be filled."""
    with mounted_disk(tmp_path / "disk") as place:
        yield place
