// JSON that can stand inside <script>: ASCII alone, without '<', '>' and '&'.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

namespace nad {

std::string script_json(const nlohmann::ordered_json& json);

std::string base64(std::span<const std::byte> bytes);

}  // namespace nad
