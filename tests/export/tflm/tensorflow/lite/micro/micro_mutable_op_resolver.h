// Stands in for TensorFlow Lite Micro in tests. It runs nothing: it counts what a program asks for, and refuses what the
// library would refuse. With STUB_SINCE_AUTUMN_2026 all names are in tflite::micro, else where they were before.
#ifndef ODTF_TESTS_MICRO_MUTABLE_OP_RESOLVER_H_
#define ODTF_TESTS_MICRO_MUTABLE_OP_RESOLVER_H_

#include <cstddef>
#include <cstring>

namespace stub {

struct Counts {
  int operators;
  int refused;
  int allocations;
  int invocations;
  std::size_t arena_bytes;
};
inline Counts counts = {};

}  // namespace stub

#ifdef STUB_SINCE_AUTUMN_2026
#define STUB_NAMESPACE tflite::micro
namespace tflite::micro {
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
}
#else
#define STUB_NAMESPACE tflite
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
namespace tflite::micro {
// The library has such a namespace for helpers of kernels.
template <typename T>
T* GetTensorData(int tensor);
}
#endif

namespace STUB_NAMESPACE {

class MicroOpResolver {
 public:
  int added() const { return added_; }

 protected:
  int added_ = 0;
};

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
#define STUB_OPERATOR(name) \
  TfLiteStatus Add##name() { return Add(#name); }
  STUB_OPERATOR(Add)
  STUB_OPERATOR(ArgMax)
  STUB_OPERATOR(AveragePool2D)
  STUB_OPERATOR(Concatenation)
  STUB_OPERATOR(Conv2D)
  STUB_OPERATOR(DepthwiseConv2D)
  STUB_OPERATOR(Elu)
  STUB_OPERATOR(EthosU)
  STUB_OPERATOR(ExpandDims)
  STUB_OPERATOR(FullyConnected)
  STUB_OPERATOR(HardSwish)
  STUB_OPERATOR(LeakyRelu)
  STUB_OPERATOR(Logistic)
  STUB_OPERATOR(MaxPool2D)
  STUB_OPERATOR(Maximum)
  STUB_OPERATOR(Mean)
  STUB_OPERATOR(Minimum)
  STUB_OPERATOR(MirrorPad)
  STUB_OPERATOR(Mul)
  STUB_OPERATOR(Pack)
  STUB_OPERATOR(Pad)
  STUB_OPERATOR(Prelu)
  STUB_OPERATOR(Quantize)
  STUB_OPERATOR(Relu)
  STUB_OPERATOR(Relu6)
  STUB_OPERATOR(Reshape)
  STUB_OPERATOR(ResizeBilinear)
  STUB_OPERATOR(ResizeNearestNeighbor)
  STUB_OPERATOR(Slice)
  STUB_OPERATOR(Softmax)
  STUB_OPERATOR(Split)
  STUB_OPERATOR(SplitV)
  STUB_OPERATOR(SquaredDifference)
  STUB_OPERATOR(StridedSlice)
  STUB_OPERATOR(Sub)
  STUB_OPERATOR(Tanh)
  STUB_OPERATOR(Transpose)
  STUB_OPERATOR(TransposeConv)
  STUB_OPERATOR(Unpack)
#undef STUB_OPERATOR

 private:
  TfLiteStatus Add(const char* name) {
    bool refused = added_ >= static_cast<int>(tOpCount);
    for (int i = 0; i < added_; ++i) refused = refused || std::strcmp(names_[i], name) == 0;
    if (refused) {
      ++stub::counts.refused;
      return kTfLiteError;
    }
    names_[added_++] = name;
    ++stub::counts.operators;
    return kTfLiteOk;
  }

  const char* names_[tOpCount] = {};
};

}  // namespace STUB_NAMESPACE

#endif  // ODTF_TESTS_MICRO_MUTABLE_OP_RESOLVER_H_
