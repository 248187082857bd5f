"""TFLite files, whoever made them: reading and writing, running, size, memory, an NPU's compiler.

`flatbuffer` is the file as objects of its schema, `runner` LiteRT, `trial` a first run in another process,
`micro_interpreter` TensorFlow Lite Micro, `metadata` what mobile libraries read beside the network, `lean` the same
network in fewer bytes, `arena` a microcontroller's memory, `vela` Arm's compiler.
"""
