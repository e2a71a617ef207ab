# Three digits that mean something.
def short:
  if . == 0 then "0"
  else . as $x
    | ([0, 2 - (if $x < 0 then -$x else $x end | log10 | floor)] | max) as $digits
    | pow(10; $digits) as $scale
    | (($x * $scale | round) / $scale | tostring)
  end;
