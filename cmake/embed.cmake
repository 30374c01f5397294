# Files as bytes of the program: cmake -DOUT=X.cpp "-DHTML=files" "-DCSS=..." "-DSCRIPT=..." "-DCHARTS=..." -P embed.cmake
# writes the definitions of nad/report/page_assets.h. Several files of one part stand one behind the other.
set(text "#include \"nad/report/page_assets.h\"\n\nnamespace nad {\n")
foreach(part Html Css Script Charts)
  string(TOUPPER ${part} files)
  set(hex "")
  foreach(file ${${files}})
    file(READ ${file} bytes HEX)
    string(APPEND hex "${bytes}")
  endforeach()
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text "static constexpr unsigned char k${part}Bytes[] = {${bytes}};\n"
    "const std::string_view kPage${part}(reinterpret_cast<const char*>(k${part}Bytes), sizeof k${part}Bytes);\n")
endforeach()
file(WRITE ${OUT} "${text}}  // namespace nad\n")
