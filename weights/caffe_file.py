"""Reading Caffe's binary files: the layers of a .caffemodel, and the mean image of a .binaryproto.

The messages are declared here with the few fields that are needed; the numbers are those of Caffe's format, in its
older form (field 2 of a net, version 1 of a layer) and its present one (field 100). Packed floats arrive as bytes, which
have the same form on the wire and cost nothing to turn into an array.
"""
import numpy as np

from errors import BadData, one_line, package

# message: [(field, number, type, repeated)]
MESSAGES = {
    "Shape": [("dim", 1, "int64", True)],
    "Blob": [("num", 1, "int32", False), ("channels", 2, "int32", False), ("height", 3, "int32", False),
             ("width", 4, "int32", False), ("data", 5, "bytes", False), ("shape", 7, "Shape", False),
             ("double_data", 8, "bytes", False)],
    "OldLayer": [("name", 4, "string", False), ("blobs", 6, "Blob", True)],
    "Layer": [("name", 1, "string", False), ("blobs", 7, "Blob", True)],
    "Net": [("layers", 2, "OldLayer", True), ("layer", 100, "Layer", True)],
}


def messages():
    """{name: class}"""
    descriptor_pb2 = package("google.protobuf.descriptor_pb2", "a file of Caffe", "protobuf")
    pool = package("google.protobuf.descriptor_pool", "a file of Caffe", "protobuf").DescriptorPool()
    factory = package("google.protobuf.message_factory", "a file of Caffe", "protobuf")
    file, kinds = descriptor_pb2.FileDescriptorProto(name="caffe_subset.proto", package="nad"), \
        descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number,
                                      label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL)
            if kind in MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, ".nad." + kind
            else:
                added.type = getattr(kinds, "TYPE_" + kind.upper())
    pool.Add(file)
    make = getattr(factory, "GetMessageClass", None) or factory.MessageFactory(pool).GetPrototype
    return {name: make(pool.FindMessageTypeByName("nad." + name)) for name in MESSAGES}


def parse(path, name):
    message = messages()[name]()
    try:
        with open(path, "rb") as f:
            message.ParseFromString(f.read())
    except OSError:
        raise
    except Exception as e:  # DecodeError, whose home differs from version to version
        raise BadData("it is no file of Caffe or is cut short (%s)" % one_line(e))
    return message


def array(blob, where):
    values = np.frombuffer(blob.double_data, "<f8") if blob.double_data else np.frombuffer(blob.data, "<f4")
    shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
    if min(shape) < 0 or int(np.prod(shape, dtype=object)) != values.size:
        raise BadData("%s has %d values and the shape %s: cut short?" % (where, values.size, list(shape)))
    return values.reshape(shape)


def read(path):
    """{layer.weight, layer.bias: array}"""
    net, tensors = parse(path, "Net"), {}
    for layer in list(net.layers) + list(net.layer):
        for i, blob in enumerate(layer.blobs):
            part = ("weight", "bias")[i] if i < 2 else str(i)
            value = array(blob, "layer %s" % layer.name)
            if part == "bias":
                value = value.reshape(-1)
            elif value.ndim == 4 and value.shape[:2] == (1, 1):  # a linear layer of the older form
                value = value.reshape(value.shape[2:])
            tensors["%s.%s" % (layer.name, part)] = value
    if not tensors:
        raise BadData("it holds no layers with weights")
    return tensors


def read_mean(path):
    """The mean of each channel (red, green, blue) of a .binaryproto's image, from 0 to 255."""
    try:
        blob = parse(path, "Blob")
        image = array(blob, "the mean image").reshape(tuple(blob.shape.dim)[-3:] or (blob.channels, blob.height, blob.width))
        if image.shape[0] != 3 or not image.size:
            raise BadData("the mean image has %d channels, three are expected" % image.shape[0])
    except BadData as e:
        raise BadData("%s: %s" % (path, e))
    except OSError as e:
        raise BadData("mean file %s cannot be read: %s" % (path, e.strerror))
    return [float(v) for v in image.astype(np.float64).mean((1, 2))[::-1]]
