// Where an engine stands: the one record that the stages of a token share.
#pragma once
#include <cstdint>

struct Token {
  uint32_t position;        // of the token being processed: tokens in the context before it
  uint32_t taken;           // ids taken from those that the host gave for this run
  uint32_t forced;          // ids that the host gave for this run
  uint32_t step;            // tokens of this run before this one
  unsigned long long best;  // largest logit so far and its id (see packed_logit); 0: none
};
static_assert(sizeof(Token) == 24, "the host writes this record");
