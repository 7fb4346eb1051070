// Prints the token ids that llama.cpp makes of texts, a line per text: llama_tokens VOCABULARY.gguf TEXTS
// TEXTS are separated by NUL. No special token is added, and none is made from text.
#include "llama.h"

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

int main(int argc, char ** argv) {
    if (argc != 3) {
        std::cerr << "llama_tokens VOCABULARY.gguf TEXTS\n";
        return 2;
    }
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    llama_model * model = llama_model_load_from_file(argv[1], params);
    if (!model) {
        std::cerr << "cannot load " << argv[1] << "\n";
        return 1;
    }
    const llama_vocab * vocab = llama_model_get_vocab(model);
    std::ifstream file(argv[2], std::ios::binary);
    const std::string texts((std::istreambuf_iterator<char>(file)), {});
    for (size_t at = 0; at < texts.size();) {
        const size_t end = std::min(texts.find('\0', at), texts.size());
        std::vector<llama_token> ids(end - at + 16);
        const int count = llama_tokenize(vocab, texts.data() + at, end - at, ids.data(), ids.size(), false, false);
        for (int i = 0; i < count; i++) {
            std::cout << (i ? " " : "") << ids[i];
        }
        std::cout << "\n";
        at = end + 1;
    }
}
