// The command line that both programs share.
#pragma once

#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "failure.hpp"

struct Options {
    std::string model, picture, mask;
    std::string device = "cpu";
    std::string ort_lib;
    int warmup = 5;
    int iters = 20;
    bool selftest = false;
};

inline int parse_count(const std::string& flag, const std::string& text, int least) {
    char* end = nullptr;
    const long count = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || count < least || count > 1'000'000)
        throw Failure(BAD_USAGE_OR_MODEL,
                      flag + " " + text + ": expected a whole number from " + std::to_string(least) + " to 1000000");
    return static_cast<int>(count);
}

/// Reads the command line; `usage` is printed for --help, which ends the program.
inline Options parse_command_line(int argc, char** argv, const char* usage) {
    const option flags[] = {{"model", required_argument, nullptr, 'm'},   {"device", required_argument, nullptr, 'd'},
                            {"warmup", required_argument, nullptr, 'w'},  {"iters", required_argument, nullptr, 'n'},
                            {"ort-lib", required_argument, nullptr, 'l'}, {"selftest", no_argument, nullptr, 's'},
                            {"help", no_argument, nullptr, 'h'},          {nullptr, 0, nullptr, 0}};
    const auto misused = [&](const std::string& what) { return Failure(BAD_USAGE_OR_MODEL, what + "\n" + usage); };
    Options options;
    opterr = 0;
    for (int flag; (flag = getopt_long(argc, argv, ":m:o:h", flags, nullptr)) != -1;) {
        const std::string value = optarg ? optarg : "";
        switch (flag) {
            case 'm': options.model = value; break;
            case 'o': options.mask = value; break;
            case 'd': options.device = value; break;
            case 'w': options.warmup = parse_count("--warmup", value, 0); break;
            case 'n': options.iters = parse_count("--iters", value, 1); break;
            case 'l': options.ort_lib = value; break;
            case 's': options.selftest = true; break;
            case 'h': std::fputs(usage, stdout); std::exit(SUCCESS);
            case ':': throw misused(std::string(argv[optind - 1]) + " needs a value");
            default: throw misused(std::string("unknown flag ") + argv[optind - 1]);
        }
    }
    if (optind < argc) options.picture = argv[optind++];
    if (optind < argc) throw misused("one picture at a time; found also " + std::string(argv[optind]));
    if (options.model.empty()) throw misused("no model; name one with -m");
    if (options.selftest) return options;
    if (options.picture.empty()) throw misused("no picture");
    if (options.mask.empty()) throw misused("no place for the mask; name one with -o");
    return options;
}
