// Tokens with arbitrary fields, for tests against a model.
#pragma once

#include <random>

#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::testing {

// Sets name and uid, and each other field with probability one half. The same
// generator state makes the same token.
v1::Token RandomToken(std::mt19937_64& random);

}  // namespace tokeninventory::testing
