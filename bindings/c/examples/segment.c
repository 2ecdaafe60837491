/* Segments a picture: segment DEVICE MODEL PICTURE.ppm MASK.pgm
 *
 * DEVICE is a word of lrnnet_open, MODEL a file or "-" for the model that is compiled in. The picture is a binary PPM (P6),
 * the mask a binary PGM (P5) of class ids. Says how many pixels each class has. */
#include <lrnnet.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads a PPM of at most 16384 x 16384 pixels; NULL if it is none. */
static uint8_t *read_ppm(const char *path, size_t *width, size_t *height) {
    unsigned w = 0, h = 0, max = 0;
    uint8_t *rgb = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    if (fscanf(file, "P6 %5u %5u %3u", &w, &h, &max) == 3 && fgetc(file) != EOF && max == 255 && w >= 1 && h >= 1 &&
        w <= 16384 && h <= 16384) {
        size_t bytes = (size_t)3 * w * h;
        rgb = (uint8_t *)malloc(bytes);
        if (rgb != NULL && fread(rgb, 1, bytes, file) != bytes) {
            free(rgb);
            rgb = NULL;
        }
    }
    fclose(file);
    *width = w;
    *height = h;
    return rgb;
}

static int write_pgm(const char *path, const uint8_t *ids, size_t width, size_t height) {
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return 0;
    }
    int written = fprintf(file, "P5\n%zu %zu\n255\n", width, height) > 0;
    written = fwrite(ids, 1, width * height, file) == width * height && written;
    return fclose(file) == 0 && written;
}

static void print_shares(const LrnnetSegmenter *segmenter, const uint8_t *ids, size_t pixels) {
    size_t counts[256] = {0};
    for (size_t i = 0; i < pixels; i++) {
        counts[ids[i]]++;
    }
    for (size_t id = 0; id < lrnnet_class_count(segmenter); id++) {
        const uint8_t *color = lrnnet_palette(segmenter) + 3 * id;
        printf("#%02x%02x%02x %-12s %5.1f %%\n", color[0], color[1], color[2], lrnnet_class_name(segmenter, id),
               100.0 * (double)counts[id] / (double)pixels);
    }
}

/* 0, or the exit code of a failure. */
static int segment(LrnnetSegmenter *segmenter, const char *picture, const char *mask) {
    size_t width = 0, height = 0;
    uint8_t *rgb = read_ppm(picture, &width, &height);
    if (rgb == NULL) {
        fprintf(stderr, "error: %s is no binary PPM of 8 bits\n", picture);
        return 1;
    }
    int code = 0;
    uint8_t *ids = (uint8_t *)malloc(width * height);
    if (ids == NULL) {
        fprintf(stderr, "error: no memory for the mask\n");
        code = 1;
    } else if (lrnnet_segment(segmenter, rgb, 3 * width, width, height, ids, width * height) != LRNNET_STATUS_OK) {
        fprintf(stderr, "error: %s\n", lrnnet_error(segmenter));
        code = 1;
    } else if (!write_pgm(mask, ids, width, height)) {
        fprintf(stderr, "error: cannot write %s\n", mask);
        code = 1;
    } else {
        print_shares(segmenter, ids, width * height);
    }
    free(ids);
    free(rgb);
    return code;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: segment DEVICE MODEL PICTURE.ppm MASK.pgm\n");
        return 2;
    }
    LrnnetSegmenter *segmenter = NULL;
    const char *model = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
    LrnnetStatus status = lrnnet_open(model, argv[1], &segmenter);
    int code = 0;
    if (status != LRNNET_STATUS_OK) {
        fprintf(stderr, "error: %s\n", lrnnet_error(segmenter));
        code = status == LRNNET_STATUS_DEVICE ? 3 : 2;
    } else {
        fprintf(stderr, "lrnnet %s, running on %s\n", lrnnet_version(), lrnnet_runtime(segmenter));
        code = segment(segmenter, argv[3], argv[4]);
    }
    lrnnet_close(segmenter);
    return code;
}
