"""Signs that keyboards and programs write in several ways for the same thing, and the one that stands for all."""

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u208b\u2212\ufe58\ufe63\uff0d"
WAVE_DASHES = "\u02dc\u223c\u301c\u3030\uff5e"
APOSTROPHES = "\u00b4\u02b9\u02bb\u02bc\u02bd\u2018\u2019\u201a\u201b\u2032\uff07"
QUOTATION_MARKS = "\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033\u301d\u301e\u301f\uff02"
# Before compatible characters are made one: some of these would become a space and a mark.
SIGNS = {
    ord(each): sign
    for signs, sign in ((DASHES, "-"), (WAVE_DASHES, "~"), (APOSTROPHES, "'"), (QUOTATION_MARKS, '"'))
    for each in signs
}
