// Makes the term for one field, comparator and value.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "inventory/filter/ast.h"
#include "inventory/filter/field_path.h"
#include "inventory/filter/filter.h"
#include "inventory/filter/term.h"

namespace tokeninventory::filter {

// A value as it was written.
struct Literal {
  enum class Function : std::uint8_t { kNone, kTimestamp, kDuration };
  Word word;
  Function function = Function::kNone;

  // `*`, which with `:` asks whether a field is set.
  bool IsStar() const {
    return function == Function::kNone && word.text == "*" && !word.stars.empty();
  }
};

class TermMaker {
 public:
  TermMaker(absl::string_view text, const FilterOptions& options)
      : text_(text), options_(options) {}

  // `name` is the field as it was written.
  absl::StatusOr<Term> Make(const FieldPath& path, const std::string& name, Comparator comparator,
                            const Literal& literal);

  // A term made so far depends on the time.
  bool uses_now() const { return uses_now_; }

 private:
  absl::Status Mismatch(const Literal& literal, absl::string_view message) const;
  absl::Status Wanted(const Literal& literal, absl::string_view name,
                      absl::string_view wanted) const;
  absl::StatusOr<Term> MakePresence(const FieldPath& path, const std::string& name,
                                    const Literal& literal) const;
  absl::StatusOr<Term> MakeHas(const FieldPath& path, const std::string& name,
                               const Literal& literal) const;
  absl::Status SetEnum(Term& term, const FieldPath& path, const std::string& name,
                       const Literal& literal) const;
  absl::Status SetNumber(Term& term, const FieldPath& path, const std::string& name,
                         const Literal& literal) const;
  absl::Status SetInstant(Term& term, const FieldPath& path, const std::string& name,
                          const Literal& literal);
  absl::Status SetDynamic(Term& term, Comparator comparator, const Literal& literal) const;

  absl::string_view text_;
  const FilterOptions& options_;
  bool uses_now_ = false;
};

}  // namespace tokeninventory::filter
