"""Texts for search to be tried on: few words and characters, so that they meet often, and anything at all."""

from hypothesis import strategies as st

# Nothing that PostgreSQL refuses.
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
PIECES = st.sampled_from(
    [
        *("tea", "Tea", "TEA", "teapot", "tea-pot", "c++", "C", "don't", "naïve", "NAÏVE", "Ｔｅａ", "a", "I", "ﬁne"),
        *(
            "東京",
            "東京都",
            "京都",
            "東",
            "都",
            "ﾄｳｷｮｳ",
            "トウキョウ",
            "です。",
            "、",
            "ガ",
            "ｶﾞ",
            "か\u3099",
            "서울",
            "시",
            "각",
        ),
        *(
            "getUserName",
            "XMLHttp",
            "User",
            "v18.4.1",
            "18.4.1",
            "lighthouse",
            "houses",
            "state-of",
            "–",
            "−",
            "’",
            "“x”",
        ),
        *("cafe", "café", "İstanbul", "ısı", "トマト", "とまと", "サーバー", "サーバ", "國", "国", "03ー12", "〜", "~"),
        *("🎉", "👍🏽", "👍", "👨\u200d👩\u200d👧", "❤\ufe0f", "+", "|", "@", "_", "…", "!", "？", "'", "\\", "&"),
        *(" ", "  ", "\n", "\u3000", "\u00a0", "e\u0301", "\u0301", "नमस्ते", "สวัสดี", "\u200b", "𠮷野家", "ß", "ss", "İ"),
    ]
)
MIXED = st.lists(PIECES, max_size=14).map("".join)
TEXTS = st.one_of(MIXED, ANY, st.lists(st.one_of(PIECES, ANY), max_size=6).map(" ".join))
