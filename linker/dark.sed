# Makes the dark variant of a picture: the same, in the colours of a dark page.
#
#   sed -f linker/dark.sed name.svg > name~dark.svg
#
# Every colour of a picture is listed. Some are alike on both pages, with what is written on them.

# Text, its softer variant, lines, and what is emphasized.
s/#1d1d1f/#f0f2f5/g
s/#4f5963/#b6bfc9/g
s/#6b7680/#8b96a2/g
s/#1f5fa8/#7db7f5/g
s/#c01c1c/#ff8a80/g

# Fills: plain, blue, amber, green, violet.
s/#eef1f4/#262c33/g
s/#dbe9f6/#1e3d5c/g
s/#f6e3c8/#4a3515/g
s/#cfe8d5/#183c26/g
s/#e7e0f3/#41355f/g

# Frames, from light to dark.
s/#c9ced4/#4a525b/g
s/#8d96a0/#808a95/g
s/#3f4852/#e3e7eb/g
s/#a9cdf2/#a9cdf2/g
s/#2f7fd1/#2f7fd1/g
s/#7a5ea8/#7a5ea8/g
s/#c2410c/#c2410c/g

# Rights, from light to dark, and what is written on them.
s/#d3e4f5/#d3e4f5/g
s/#f0b546/#f0b546/g
s/#2f6b46/#2f6b46/g
s/#8f1d1d/#8f1d1d/g
s/#16181a/#16181a/g
s/#fdfdfd/#fdfdfd/g
