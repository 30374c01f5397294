# The page of nad_report: its parts and Chart.js, a library of charts, become bytes of the program. Without Chart.js
# there is no nad_report.
find_file(NAD_CHART_JS NAMES chart.min.js chart.umd.js
  PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist DOC "Chart.js, version 3 or later, as one script")
if(NOT NAD_CHART_JS)
  message(WARNING "Chart.js was not found, nad_report is not built: ${NAD_HINT} (libjs-chart.js)")
  return()
endif()
set(page ${CMAKE_SOURCE_DIR}/nad/report/page)
# One behind the other: each uses those before it.
set(NAD_PAGE_SCRIPTS "")
foreach(script data charts heatmap table findings figures controls classes pictures page)
  list(APPEND NAD_PAGE_SCRIPTS ${page}/${script}.js)
endforeach()
set(NAD_PAGE_CPP ${CMAKE_BINARY_DIR}/page_assets.cpp)
add_custom_command(OUTPUT ${NAD_PAGE_CPP}
  COMMAND ${CMAKE_COMMAND} -DOUT=${NAD_PAGE_CPP} -DHTML=${page}/page.html -DCSS=${page}/page.css
    "-DSCRIPT=${NAD_PAGE_SCRIPTS}" -DCHARTS=${NAD_CHART_JS} -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${page}/page.html ${page}/page.css ${NAD_PAGE_SCRIPTS} ${NAD_CHART_JS} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  VERBATIM)
target_sources(nad_disentangle PRIVATE ${NAD_PAGE_CPP})
