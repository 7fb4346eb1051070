// The kernels' tests: each compares with f64 over shapes that its kernels may meet. `main.cpp` runs them.
#pragma once
#include "gpu.hpp"

void test_products(Gpu& gpu, Report& report);
void test_norms(Gpu& gpu, Report& report);
void test_experts(Gpu& gpu, Report& report);
void test_head(Gpu& gpu, Report& report);
void test_attention(Gpu& gpu, Report& report);
void test_delta(Gpu& gpu, Report& report);
void test_prefill_products(Gpu& gpu, Report& report);
void test_prefill_mixing(Gpu& gpu, Report& report);
