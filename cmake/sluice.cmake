# What every unit of Sluice is built with, and the functions that declare one.

# Bugs abort, also where they hurt: no NDEBUG.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO
	"${CMAKE_C_FLAGS_RELWITHDEBINFO}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE
	"${CMAKE_C_FLAGS_RELEASE}")

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# The +deb12u1 library carries the fixes of 2026; contrib/packages names it.
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent_core>=2.1.12)
pkg_check_modules(LIBEVENT_PTHREADS REQUIRED IMPORTED_TARGET libevent_pthreads)
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl>=3.0)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(CRYPT REQUIRED IMPORTED_TARGET libcrypt)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)

add_library(sluice_flags INTERFACE)
target_compile_definitions(sluice_flags INTERFACE _GNU_SOURCE
	SLUICE_VERSION="${PROJECT_VERSION}")
target_include_directories(sluice_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(sluice_flags INTERFACE
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes
	-Wmissing-prototypes -Wconversion -Wvla -Wformat=2
	-fno-common -fstack-protector-strong -fPIE)
target_link_options(sluice_flags INTERFACE -pie -Wl,-z,relro,-z,now)
if(SLUICE_SANITIZE)
	target_compile_options(sluice_flags INTERFACE
		-fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer
		-fno-sanitize-recover=all)
	target_link_options(sluice_flags INTERFACE
		-fsanitize=${SLUICE_SANITIZE})
else()
	target_compile_definitions(sluice_flags INTERFACE
		$<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
endif()
if(SLUICE_FUZZ)
	target_compile_options(sluice_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# sluice_unit(NAME [LINKS units... libraries...]): the folder's *.c as one
# static library sluice_NAME.
function(sluice_unit name)
	cmake_parse_arguments(U "" "" "LINKS" ${ARGN})
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
	add_library(sluice_${name} STATIC ${sources})
	target_link_libraries(sluice_${name} PUBLIC sluice_flags ${U_LINKS})
endfunction()

# There are more tests at once than processors, since most of them wait. These
# do not: of each list one at a time, from the beginning on.
set(SLUICE_BUSY_TESTS_0 mime/limits gateway/config_values ratelimit/gcra
	ratelimit/threads)
set(SLUICE_BUSY_TESTS_1 back/catalog auth/repeat auth/local ratelimit/keys
	ratelimit/window)

# sluice_tests(UNIT [LINKS ...]): each test_*.c of tests/UNIT is one program
# and one ctest entry named UNIT/MODULE.
function(sluice_tests unit)
	cmake_parse_arguments(U "" "" "LINKS" ${ARGN})
	file(GLOB sources CONFIGURE_DEPENDS
		${CMAKE_CURRENT_SOURCE_DIR}/test_*.c)
	foreach(source ${sources})
		get_filename_component(base ${source} NAME_WE)
		string(REGEX REPLACE "^test_" "" module ${base})
		set(target test_${unit}_${module})
		add_executable(${target} ${source})
		target_link_libraries(${target} PRIVATE sluice_flags
			sluice_${unit} ${U_LINKS} PkgConfig::CHECK)
		add_test(NAME ${unit}/${module} COMMAND ${target}
			WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
		set_tests_properties(${unit}/${module} PROPERTIES
			LABELS unit TIMEOUT 1200
			# Check's own 4 s are too few on a busy machine
			ENVIRONMENT CK_DEFAULT_TIMEOUT=600)
		foreach(i 0 1)
			if(${unit}/${module} IN_LIST SLUICE_BUSY_TESTS_${i})
				set_tests_properties(${unit}/${module}
					PROPERTIES RESOURCE_LOCK busy${i}
					COST 200)
			endif()
		endforeach()
	endforeach()
endfunction()
