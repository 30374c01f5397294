// Each records its network with a builder, from the attributes of the builder's description (weights/FORMAT.md).
#pragma once

#include "models/builder.h"

namespace nad {

void record_vgg16(Builder& b);
void record_resnet50(Builder& b);
void record_densenet121(Builder& b);
void record_darts(Builder& b);

}  // namespace nad
