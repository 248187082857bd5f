// Reads images of STUB_PIXELS bytes, prints the class of each, and then what the library was asked for.
#include <cstdint>
#include <cstdio>

#ifndef REAL_LIBRARY
#include "tensorflow/lite/micro/micro_interpreter.h"
#endif

int classify(const uint8_t* pixels);

int main() {
  static uint8_t pixels[STUB_PIXELS];
  while (std::fread(pixels, 1, sizeof(pixels), stdin) == sizeof(pixels)) std::printf("%d\n", classify(pixels));
#ifndef REAL_LIBRARY
  const stub::Counts& counts = stub::counts;
  std::fprintf(stderr, "operators %d refused %d allocations %d invocations %d arena_bytes %zu\n", counts.operators,
               counts.refused, counts.allocations, counts.invocations, counts.arena_bytes);
#endif
}
