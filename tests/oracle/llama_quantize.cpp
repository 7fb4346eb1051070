// Quantises a GGUF as llama.cpp's Q4_K_M, without the command-line tool and what that needs.
//
//   llama_quantize IN.gguf OUT.gguf
//
// See README.md for how it is built.
#include "llama.h"

#include <cstdio>

int main(int argc, char ** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s IN.gguf OUT.gguf\n", argv[0]);
        return 2;
    }
    llama_backend_init();
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = LLAMA_FTYPE_MOSTLY_Q4_K_M;
    return llama_model_quantize(argv[1], argv[2], &params) != 0;
}
