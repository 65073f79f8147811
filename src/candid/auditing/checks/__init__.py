"""All checks, one a file. Whoever adds one adds it here, in the order in which they are shown."""

from typing import Final

from candid.auditing.checks import (
    across_parts,
    animation,
    blank,
    blown_out,
    blurred,
    colour_mode,
    dark,
    empty_class,
    exact_copies,
    exif_rotation,
    imbalance,
    label_suspects,
    near_copies,
    odd_aspect,
    other_files,
    outliers,
    shortcuts,
    similar_names,
    small_class,
    tiny,
    truncated,
    two_classes,
    unreadable,
    wrong_suffix,
)
from candid.auditing.finding import Check

#: Errors first, then warnings, then what is good to know.
ALL: Final[tuple[Check, ...]] = (
    two_classes.CHECK,
    across_parts.CHECK,
    unreadable.CHECK,
    truncated.CHECK,
    empty_class.CHECK,
    small_class.CHECK,
    label_suspects.CHECK,
    shortcuts.CHECK,
    near_copies.CHECK,
    exact_copies.CHECK,
    imbalance.CHECK,
    similar_names.CHECK,
    blank.CHECK,
    tiny.CHECK,
    wrong_suffix.CHECK,
    animation.CHECK,
    outliers.CHECK,
    dark.CHECK,
    blown_out.CHECK,
    blurred.CHECK,
    odd_aspect.CHECK,
    colour_mode.CHECK,
    exif_rotation.CHECK,
    other_files.CHECK,
)
