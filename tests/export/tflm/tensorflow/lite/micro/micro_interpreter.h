// Stands in for TensorFlow Lite Micro in tests, see micro_mutable_op_resolver.h. A test defines what the file is:
// STUB_OPERATORS kinds of operators, STUB_HEAD_BYTES and STUB_TAIL_BYTES of the arena, STUB_INPUT and STUB_OUTPUT, the
// types of the tensors, STUB_PIXELS and STUB_OUTPUTS, their lengths. Output k is the value of input 7 k, modulo its length.
#ifndef ODTF_TESTS_MICRO_INTERPRETER_H_
#define ODTF_TESTS_MICRO_INTERPRETER_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace tflite {

struct Model;
inline const Model* GetModel(const void* content) { return static_cast<const Model*>(content); }

}  // namespace tflite

namespace STUB_NAMESPACE {

class MicroInterpreter {
 public:
  MicroInterpreter(const Model*, const MicroOpResolver& resolver, std::uint8_t* arena, std::size_t arena_bytes)
      : resolver_(resolver), arena_(arena), arena_bytes_(arena_bytes) {}

  // The library takes its structures from the arena whenever it is called, and frees none.
  TfLiteStatus AllocateTensors() {
    ++stub::counts.allocations;
    stub::counts.arena_bytes += STUB_TAIL_BYTES + (ready_ ? 0 : STUB_HEAD_BYTES);
    ready_ = resolver_.added() == STUB_OPERATORS && stub::counts.arena_bytes <= arena_bytes_;
    return ready_ ? kTfLiteOk : kTfLiteError;
  }

  template <typename T>
  T* typed_input_tensor(int index) {
    const bool is_there = ready_ && index == 0 && std::is_same<T, STUB_INPUT>::value;
    return is_there ? reinterpret_cast<T*>(arena_) : nullptr;
  }

  TfLiteStatus Invoke() {
    ++stub::counts.invocations;
#ifdef STUB_INVOKE_FAILS
    return kTfLiteError;
#else
    if (!ready_) return kTfLiteError;
    const STUB_INPUT* input = reinterpret_cast<const STUB_INPUT*>(arena_);
    for (int k = 0; k < STUB_OUTPUTS; ++k) outputs()[k] = static_cast<STUB_OUTPUT>(input[7 * k % STUB_PIXELS]);
    return kTfLiteOk;
#endif
  }

  template <typename T>
  T* typed_output_tensor(int index) {
    const bool is_there = ready_ && index == 0 && std::is_same<T, STUB_OUTPUT>::value;
    return is_there ? reinterpret_cast<T*>(outputs()) : nullptr;
  }

 private:
  STUB_OUTPUT* outputs() { return reinterpret_cast<STUB_OUTPUT*>(arena_ + STUB_PIXELS * sizeof(STUB_INPUT)); }

  const MicroOpResolver& resolver_;
  std::uint8_t* arena_;
  std::size_t arena_bytes_;
  bool ready_ = false;
};

}  // namespace STUB_NAMESPACE

#endif  // ODTF_TESTS_MICRO_INTERPRETER_H_
