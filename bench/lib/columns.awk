# Fields with tabs between them as columns; behind an empty line begins another table.
# -v right='2 4': these to the right, all others to the left.
function flush(   row, i, line) {
  if (rows > 0 && tables++ > 0) print ""
  for (row = 1; row <= rows; ++row) {
    line = ""
    for (i = 1; i <= fields[row]; ++i) {
      line = line sprintf("%" (i in to_right ? "" : "-") width[i] "s ", cell[row, i])
    }
    sub(/ +$/, "", line)
    print line
  }
  rows = 0
  split("", width)
}
BEGIN {
  FS = "\t"
  count = split(right, list, " ")
  for (i = 1; i <= count; ++i) to_right[list[i]]
}
NF == 0 { flush(); next }
{
  fields[++rows] = NF
  for (i = 1; i <= NF; ++i) {
    cell[rows, i] = $i
    if (length($i) > width[i]) width[i] = length($i)
  }
}
END { flush() }
