// Tests the judge of selftest.hpp: class maps that are damaged, however little, fail; near ties may fall either way.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "failure.hpp"
#include "selftest.hpp"

namespace {

using Ids = std::vector<std::uint8_t>;

constexpr int HEIGHT = 48, WIDTH = 64;

/// Classes 0 to 5 in slanted stripes, with near ties at a third of their left boundaries.
int stripe(int y, int x) { return (x + 2 * y) / 13 % 6; }
bool is_near_tie(int y, int x) { return (x + 2 * y) % 13 == 0 && y % 3 == 0; }

ModelCard card_of(const std::string& selftest) {
    return ModelCard("test.onnx", [&](const std::string& key) -> std::optional<std::string> {
        if (key == "selftest") return selftest;
        if (key == "input" || key == "head") return "\"\"";
        if (key == "class_names") return R"(["a", "b"])";
        if (key == "palette") return "[[0, 0, 0], [1, 1, 1]]";
        if (key == "size_multiple") return "8";
        return key == "format_version" ? "1" : "[1, 1, 1]";
    });
}

/// The record as an exporter would write it.
std::string record_of(const Ids& ids) {
    Ids clear;
    std::vector<int> runs{0};
    for (int i = 0; i < HEIGHT * WIDTH; ++i) {
        const bool near_tie = is_near_tie(i / WIDTH, i % WIDTH);
        if (near_tie != (runs.size() % 2 == 0)) runs.push_back(0);
        ++runs.back();
        if (!near_tie) clear.push_back(ids[i]);
    }
    const nlohmann::json record = {{"version", 2}, {"input", "lrnnet-picture-2"}, {"height", HEIGHT}, {"width", WIDTH},
                                   {"class_map_sha256", sha256_hex(ids)}, {"clear_sha256", sha256_hex(clear)},
                                   {"near_ties", runs}};
    return record.dump();
}

struct Case {
    const char* name;
    std::function<int(int y, int x)> class_at;
};

int run_tests() {
    int failures = 0;
    const auto check = [&](const std::string& name, bool holds) {
        if (!holds) std::printf("FAILED: %s\n", name.c_str()), ++failures;
    };
    const auto map = [](const std::function<int(int, int)>& class_at) {
        Ids ids;
        for (int i = 0; i < HEIGHT * WIDTH; ++i) ids.push_back(static_cast<std::uint8_t>(class_at(i / WIDTH, i % WIDTH)));
        return ids;
    };
    const Ids whole = map(stripe);
    const SelfTest record(card_of(record_of(whole)));
    const int h = HEIGHT - 1, w = WIDTH - 1;
    const int last = stripe(h, w), other = stripe(h, w - 13);
    const auto swapped = [=](int id) { return id == last ? other : id == other ? last : id; };
    const Case damages[] = {
        {"mirrored left to right", [=](int y, int x) { return stripe(y, w - x); }},
        {"mirrored top to bottom", [=](int y, int x) { return stripe(h - y, x); }},
        {"turned upside down", [=](int y, int x) { return stripe(h - y, w - x); }},
        {"shifted left by one pixel", [=](int y, int x) { return stripe(y, std::min(x + 1, w)); }},
        {"shifted right by one pixel", [=](int y, int x) { return stripe(y, std::max(x - 1, 0)); }},
        {"shifted up by one pixel", [=](int y, int x) { return stripe(std::min(y + 1, h), x); }},
        {"shifted down by one pixel", [=](int y, int x) { return stripe(std::max(y - 1, 0), x); }},
        {"a row dropped", [=](int y, int x) { return stripe(y > 20 ? std::min(y + 1, h) : y, x); }},
        {"a column dropped", [=](int y, int x) { return stripe(y, x > 30 ? std::min(x + 1, w) : x); }},
        {"blocks of 8 x 8 transposed", [=](int y, int x) { return stripe(y / 8 * 8 + x % 8, x / 8 * 8 + y % 8); }},
        {"two classes swapped", [=](int y, int x) { return swapped(stripe(y, x)); }},
        {"two classes swapped at the bottom right",
         [=](int y, int x) { return y > 40 && x > 48 ? swapped(stripe(y, x)) : stripe(y, x); }},
        {"one pixel", [=](int y, int x) { return stripe(y, x) + (y == 24 && x == 32); }},
        {"the last pixel", [=](int y, int x) { return stripe(y, x) + (y == h && x == w); }},
        {"nothing but class 0", [](int, int) { return 0; }},
    };
    for (const Case& damage : damages) {
        const Ids ids = map(damage.class_at);
        check(std::string(damage.name) + " changes nothing", ids != whole);
        check(std::string(damage.name) + " is not found", judge(record, ids) == Verdict::DIFFERENT);
    }
    for (const int size : {0, HEIGHT * WIDTH - 1, HEIGHT * WIDTH + 1}) {
        Ids ids = whole;
        ids.resize(size);
        check(std::to_string(size) + " pixels pass", judge(record, ids) == Verdict::DIFFERENT);
    }

    check("the class map itself", judge(record, whole) == Verdict::EQUAL);
    const Ids flipped = map([](int y, int x) { return stripe(y, x) + is_near_tie(y, x); });
    check("every near tie the other way", judge(record, flipped) == Verdict::AT_NEAR_TIES);
    // Hashes by `printf '\0\0\1\1\2\2' | sha256sum` and `printf '\0\1\2' | sha256sum`.
    const SelfTest small(card_of(
        R"({"version": 2, "input": "lrnnet-picture-2", "height": 1, "width": 6, "near_ties": [1, 2, 2, 1],
            "class_map_sha256": "65b5217afb418b86e6d1c868d1d96cfc61f29d50f1ab829062bc0b44e10967c1",
            "clear_sha256": "ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc"})"));
    check("six pixels, equal", judge(small, {0, 0, 1, 1, 2, 2}) == Verdict::EQUAL);
    check("six pixels, near ties", judge(small, {0, 3, 3, 1, 2, 3}) == Verdict::AT_NEAR_TIES);
    check("six pixels, another", judge(small, {1, 0, 1, 1, 2, 2}) == Verdict::DIFFERENT);
    check("without the near ties", judge(small, {0, 1, 2}) == Verdict::DIFFERENT);

    std::printf("judge of the self-test: %d failures\n", failures);
    return failures == 0 ? SUCCESS : INPUT_FAILED;
}

}  // namespace

int main() { return report_failures(run_tests); }
