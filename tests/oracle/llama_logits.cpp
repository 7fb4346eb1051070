// Decodes token ids with llama.cpp, BATCH at a time, and writes the logits of every position as raw f32.
//
//   llama_logits [--gpu] MODEL.gguf OUT.f32 BATCH ID...
//
// On the CPU with f32 keys and values and no flash attention, so that only the weights' and the activations' quantisation
// differs from a reference; with --gpu on the best device that its backends find, as llama.cpp does by itself. See README.md
// for how it is built.
#include "ggml-backend.h"
#include "llama.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

int main(int argc, char ** argv) {
    const bool gpu = argc > 1 && strcmp(argv[1], "--gpu") == 0;
    if (gpu) {
        argv++, argc--;
        ggml_backend_load_all();
    }
    if (argc < 5) {
        fprintf(stderr, "usage: llama_logits [--gpu] MODEL.gguf OUT.f32 BATCH ID...\n");
        return 2;
    }
    llama_backend_init();
    llama_model_params model_params = llama_model_default_params();
    model_params.use_extra_bufts = false; // no repacked copy: a full-size file stays in the page cache
    llama_model * model = llama_model_load_from_file(argv[1], model_params);
    if (!model) return 1;

    llama_context_params params = llama_context_default_params();
    params.n_ctx = argc;
    params.n_batch = argc;
    params.n_ubatch = argc;
    if (!gpu) {
        params.type_k = GGML_TYPE_F32;
        params.type_v = GGML_TYPE_F32;
        params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    }
    llama_context * context = llama_init_from_model(model, params);
    if (!context) return 1;

    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    FILE * out = fopen(argv[2], "wb");
    if (!out) return 1;
    long not_finite = 0;
    const int count = argc - 4;
    const int step = std::max(1, atoi(argv[3]));
    llama_batch batch = llama_batch_init(step, 0, 1);
    for (int first = 0; first < count; first += step) {
        batch.n_tokens = std::min(step, count - first);
        for (int i = 0; i < batch.n_tokens; ++i) {
            batch.token[i] = atoi(argv[4 + first + i]);
            batch.pos[i] = first + i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = true;
        }
        if (llama_decode(context, batch)) return 1;
        for (int i = 0; i < batch.n_tokens; ++i) {
            const float * logits = llama_get_logits_ith(context, i);
            for (int v = 0; v < n_vocab; ++v) not_finite += !std::isfinite(logits[v]);
            fwrite(logits, sizeof(float), n_vocab, out);
        }
    }
    fclose(out);
    printf("%d positions, %d logits each, %ld not finite\n", count, n_vocab, not_finite);
    return not_finite != 0;
}
