"""What tests of training share."""

import pytest
from small_families import opened


@pytest.fixture
def place(library_root):
    """A library with points, and the data set."""
    library, dataset = opened(library_root)
    yield library, dataset
    library.close()
