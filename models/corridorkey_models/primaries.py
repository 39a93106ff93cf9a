"""Published primaries and whites of the colour spaces that plates come in. Knows no maths, so that files can be tagged
and tags be read without it.
"""

Chromaticities = tuple[tuple[float, float], ...]
"""CIE 1931 x, y of red, green, blue and white."""

D65 = (0.3127, 0.3290)
ACES_WHITE = (0.32168, 0.33767)

REC709: Chromaticities = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65)  # ITU-R BT.709
REC2020: Chromaticities = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65)  # ITU-R BT.2020
P3_D65: Chromaticities = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65)  # SMPTE RP 431-2, D65 white
AP0: Chromaticities = ((0.7347, 0.2653), (0.0, 1.0), (0.0001, -0.0770), ACES_WHITE)  # SMPTE ST 2065-1
AP1: Chromaticities = ((0.713, 0.293), (0.165, 0.830), (0.128, 0.044), ACES_WHITE)  # AMPAS S-2014-004
DAVINCI_WIDE_GAMUT: Chromaticities = (
    (0.8000, 0.3130),
    (0.1682, 0.9877),
    (0.0790, -0.1155),
    D65,
)  # Blackmagic 2020
ARRI_WIDE_GAMUT_3: Chromaticities = (
    (0.6840, 0.3130),
    (0.2210, 0.8480),
    (0.0861, -0.1020),
    D65,
)  # ARRI LogC3 paper
ARRI_WIDE_GAMUT_4: Chromaticities = (
    (0.7347, 0.2653),
    (0.1424, 0.8576),
    (0.0991, -0.0308),
    D65,
)  # ARRI LogC4 paper
S_GAMUT3_CINE: Chromaticities = ((0.766, 0.275), (0.225, 0.800), (0.089, -0.087), D65)  # Sony S-Log3 paper
