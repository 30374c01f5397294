// What neither stb_image nor libjpeg says of a JPEG: whether it is whole.
#pragma once

#include "nad/images/decode/format.h"

namespace nad::decode {

bool is_jpeg(const Bytes& bytes);

// What is wrong with it, or null. Both libraries read zeros behind the end of the data, so a file that was cut short
// decodes to an image with a grey rest. A whole one has an end marker behind its last scan: walk the segments to it
// (ITU T.81, annex B).
const char* jpeg_damage(const Bytes& bytes);

}  // namespace nad::decode
