import os
import warnings

import pytest

from candid.core.quiet_tensorflow import quiet


def test_lines_that_tell_of_no_trouble_are_held_back(capfd):
    with quiet():
        os.write(2, b"I0000 00:00 1 port.cc:153] noise\nW0000 noise\nINFO: a delegate\n")
        os.write(2, b"E0000 real trouble\n")
    assert capfd.readouterr().err == "E0000 real trouble\n"


def test_all_is_told_where_something_is_raised(capfd):
    def fail():
        os.write(2, b"W0000 the reason\n")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), quiet():
        fail()
    assert capfd.readouterr().err == "W0000 the reason\n"


def test_warnings_of_our_own_are_warnings_again_afterwards():
    with quiet():
        warnings.warn("of TensorFlow's own code", DeprecationWarning, stacklevel=1)
    with pytest.warns(DeprecationWarning, match="ours"):
        warnings.warn("ours", DeprecationWarning, stacklevel=1)
