// Pins Google's API linter for scripts/lint-proto. Its rules are https://linter.aip.dev/rules/.
module tokeninventory/scripts/api-linter

go 1.25.0

require github.com/googleapis/api-linter/v2 v2.3.1
