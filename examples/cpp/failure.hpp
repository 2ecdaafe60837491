// How these programs fail: one message on stderr and an exit code that says whose fault it was.
#pragma once

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

enum ExitCode { SUCCESS = 0, INPUT_FAILED = 1, BAD_USAGE_OR_MODEL = 2, NO_DEVICE_OR_LIBRARY = 3 };

struct Failure : std::runtime_error {
    Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code(code) {}
    ExitCode code;
};

inline void print_error(std::string message) {
    // Libraries end some of their messages with a line break.
    message.erase(message.find_last_not_of("\n") + 1);
    std::fprintf(stderr, "error: %s\n", message.c_str());
}

/// Runs `program`, which returns an exit code, and turns what it throws into a message and an exit code.
template <typename Program>
int report_failures(Program program) {
    try {
        return program();
    } catch (const Failure& failure) {
        print_error(failure.what());
        return failure.code;
    } catch (const std::exception& unforeseen) {
        print_error(unforeseen.what());
        return NO_DEVICE_OR_LIBRARY;
    }
}
