/* Everything that C can do wrong, and what must be true of a handle: border MODEL
 *
 * MODEL is a file that tract runs. Compiles as C11 and as C++17. */
#include <lrnnet.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            failures++;                                                                                                \
            fprintf(stderr, "FAILED at line %d: %s\n", __LINE__, #condition);                                          \
        }                                                                                                              \
    } while (0)

/* Whether the last call with this handle failed with these words. */
static int says(const LrnnetSegmenter *segmenter, const char *words) {
    int found = strstr(lrnnet_error(segmenter), words) != NULL;
    if (!found) {
        fprintf(stderr, "  expected \"%s\", found \"%s\"\n", words, lrnnet_error(segmenter));
    }
    return found;
}

static void nothing(void) {
    uint8_t byte = 0;
    CHECK(lrnnet_open(NULL, NULL, NULL) == LRNNET_STATUS_ARGUMENT);
    CHECK(lrnnet_segment(NULL, &byte, 3, 1, 1, &byte, 1) == LRNNET_STATUS_ARGUMENT);
    CHECK(says(NULL, "NULL"));
    CHECK(lrnnet_class_count(NULL) == 0 && lrnnet_class_name(NULL, 0) == NULL && lrnnet_palette(NULL) == NULL);
    CHECK(lrnnet_device(NULL) == NULL && lrnnet_runtime(NULL) == NULL);
    CHECK(strlen(lrnnet_version()) >= 5);
    lrnnet_close(NULL);
}

static void not_opened(const char *model, const char *device, LrnnetStatus status, const char *words) {
    uint8_t rgb[3] = {0, 0, 0}, id = 77;
    LrnnetSegmenter *segmenter = NULL;
    CHECK(lrnnet_open(model, device, &segmenter) == status);
    CHECK(segmenter != NULL && says(segmenter, words));
    CHECK(lrnnet_class_count(segmenter) == 0 && lrnnet_class_name(segmenter, 0) == NULL);
    CHECK(lrnnet_palette(segmenter) == NULL && lrnnet_device(segmenter) == NULL && lrnnet_runtime(segmenter) == NULL);
    CHECK(lrnnet_segment(segmenter, rgb, 3, 1, 1, &id, 1) == LRNNET_STATUS_ARGUMENT);
    CHECK(id == 77 && says(segmenter, "not open"));
    lrnnet_close(segmenter);
}

enum { WIDTH = 50, HEIGHT = 30, STRIDE = 3 * WIDTH + 7, PIXELS = WIDTH * HEIGHT };

/* Exactly as many bytes as may be read, so that a checker sees one that is read beyond. */
static uint8_t *picture(size_t stride) {
    size_t bytes = (HEIGHT - 1) * stride + 3 * WIDTH;
    uint8_t *rgb = (uint8_t *)malloc(bytes);
    for (size_t i = 0; rgb != NULL && i < bytes; i++) {
        rgb[i] = 200; /* of padding; pixels follow */
    }
    for (size_t y = 0; rgb != NULL && y < HEIGHT; y++) {
        for (size_t x = 0; x < 3 * WIDTH; x++) {
            rgb[y * stride + x] = (uint8_t)(x * 7 + y * 13);
        }
    }
    return rgb;
}

static void wrong_pictures(LrnnetSegmenter *segmenter, const uint8_t *rgb, uint8_t *ids) {
    CHECK(lrnnet_segment(segmenter, rgb, 3 * WIDTH, 0, HEIGHT, ids, PIXELS) == LRNNET_STATUS_PICTURE);
    CHECK(says(segmenter, "no pixels"));
    CHECK(lrnnet_segment(segmenter, rgb, 3 * WIDTH, WIDTH, 0, ids, PIXELS) == LRNNET_STATUS_PICTURE);
    CHECK(lrnnet_segment(segmenter, rgb, 3 * WIDTH - 1, WIDTH, HEIGHT, ids, PIXELS) == LRNNET_STATUS_PICTURE);
    CHECK(says(segmenter, "expected at least 150"));
    CHECK(lrnnet_segment(segmenter, rgb, SIZE_MAX, WIDTH, SIZE_MAX, ids, PIXELS) == LRNNET_STATUS_PICTURE);
    CHECK(lrnnet_segment(segmenter, rgb, SIZE_MAX, SIZE_MAX / 2, 1, ids, PIXELS) == LRNNET_STATUS_PICTURE);
    CHECK(lrnnet_segment(segmenter, rgb, SIZE_MAX / 2, WIDTH, 3, ids, PIXELS) == LRNNET_STATUS_PICTURE);
    CHECK(lrnnet_segment(segmenter, rgb, SIZE_MAX / 4, WIDTH, 4, ids, PIXELS) == LRNNET_STATUS_PICTURE);
    CHECK(lrnnet_segment(segmenter, NULL, 3 * WIDTH, WIDTH, HEIGHT, ids, PIXELS) == LRNNET_STATUS_ARGUMENT);
    CHECK(lrnnet_segment(segmenter, rgb, 3 * WIDTH, WIDTH, HEIGHT, NULL, PIXELS) == LRNNET_STATUS_ARGUMENT);
    CHECK(says(segmenter, "NULL"));
    CHECK(lrnnet_segment(segmenter, rgb, 3 * WIDTH, WIDTH, HEIGHT, ids, PIXELS - 1) == LRNNET_STATUS_ARGUMENT);
    CHECK(says(segmenter, "has 1499 bytes; expected 1500"));
}

static void opened(const char *model) {
    LrnnetSegmenter *segmenter = NULL;
    CHECK(lrnnet_open(model, "tract", &segmenter) == LRNNET_STATUS_OK);
    CHECK(strcmp(lrnnet_error(segmenter), "") == 0);
    CHECK(strcmp(lrnnet_device(segmenter), "tract") == 0 && strstr(lrnnet_runtime(segmenter), "tract") != NULL);
    CHECK(lrnnet_class_count(segmenter) == 11 && strcmp(lrnnet_class_name(segmenter, 3), "Road") == 0);
    CHECK(lrnnet_class_name(segmenter, 11) == NULL && lrnnet_class_name(segmenter, SIZE_MAX) == NULL);
    CHECK(memcmp(lrnnet_palette(segmenter) + 9, "\x80\x40\x80", 3) == 0);

    uint8_t *packed = picture(3 * WIDTH), *padded = picture(STRIDE);
    uint8_t *ids = (uint8_t *)malloc(PIXELS), *again = (uint8_t *)malloc(PIXELS + 1);
    CHECK(packed != NULL && padded != NULL && ids != NULL && again != NULL);
    if (packed != NULL && padded != NULL && ids != NULL && again != NULL) {
        wrong_pictures(segmenter, packed, ids);
        CHECK(lrnnet_segment(segmenter, packed, 3 * WIDTH, WIDTH, HEIGHT, ids, PIXELS) == LRNNET_STATUS_OK);
        CHECK(strcmp(lrnnet_error(segmenter), "") == 0);
        for (size_t i = 0; i < PIXELS; i++) {
            CHECK(ids[i] < 11);
        }
        again[PIXELS] = 77;
        CHECK(lrnnet_segment(segmenter, padded, STRIDE, WIDTH, HEIGHT, again, PIXELS + 1) == LRNNET_STATUS_OK);
        CHECK(memcmp(ids, again, PIXELS) == 0 && again[PIXELS] == 77);
    }
    free(packed);
    free(padded);
    free(ids);
    free(again);
    lrnnet_close(segmenter);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: border MODEL\n");
        return 2;
    }
    nothing();
    not_opened(NULL, "gpu", LRNNET_STATUS_ARGUMENT, "`gpu` is no device");
    not_opened(NULL, "\xff", LRNNET_STATUS_ARGUMENT, "is no device");
    not_opened(NULL, "", LRNNET_STATUS_ARGUMENT, "is no device");
    not_opened("missing.onnx", "tract", LRNNET_STATUS_MODEL, "cannot use the model missing.onnx");
    not_opened(argv[0], "tract", LRNNET_STATUS_MODEL, argv[0]);
    not_opened(argv[1], "cuda:7", LRNNET_STATUS_DEVICE, "cuda:7");
    opened(argv[1]);
    printf("border: %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
