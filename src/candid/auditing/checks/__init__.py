"""All checks; a module holds the checks of one concept."""

from typing import Final

from candid.auditing.checks.classes import EMPTY_CLASS, FOLDER_SHAPE, IMBALANCE, SMALL_CLASS
from candid.auditing.checks.copies import ACROSS_PARTS, EXACT_COPIES, NEAR_COPIES, TWO_CLASSES
from candid.auditing.checks.encoding import ANIMATION, COLOUR_MODE, EXIF_ROTATION, ODD_ASPECT, TINY
from candid.auditing.checks.files import OTHER_FILES, TRUNCATED, UNREADABLE, WRONG_SUFFIX
from candid.auditing.checks.labels import LABEL_SUSPECTS, OUTLIERS
from candid.auditing.checks.names import MISREAD_NAMES, SIMILAR_NAMES
from candid.auditing.checks.quality import BLANK, BLOWN_OUT, BLURRED, DARK
from candid.auditing.checks.shortcuts import BRIGHTNESS_AND_COLOUR, SHORTCUTS
from candid.auditing.finding import Check

#: In the order of display: errors, warnings, info. A new check is added here.
ALL: Final[tuple[Check, ...]] = (
    FOLDER_SHAPE,
    TWO_CLASSES,
    ACROSS_PARTS,
    UNREADABLE,
    TRUNCATED,
    EMPTY_CLASS,
    SMALL_CLASS,
    LABEL_SUSPECTS,
    SHORTCUTS,
    NEAR_COPIES,
    EXACT_COPIES,
    IMBALANCE,
    SIMILAR_NAMES,
    MISREAD_NAMES,
    BLANK,
    TINY,
    WRONG_SUFFIX,
    ANIMATION,
    OUTLIERS,
    BRIGHTNESS_AND_COLOUR,
    DARK,
    BLOWN_OUT,
    BLURRED,
    ODD_ASPECT,
    COLOUR_MODE,
    EXIF_ROTATION,
    OTHER_FILES,
)
