/* SPDX-License-Identifier: Apache-2.0 */
/* As much of OFX as misbehaving.c needs, and what its halves share. */
#ifndef MISBEHAVING_H
#define MISBEHAVING_H

typedef void *Handle;
typedef struct Rect {
    double x1, y1, x2, y2;
} Rect;
typedef struct Host {
    Handle properties;
    const void *(*fetch)(Handle host, const char *name, int version);
} Host;
typedef struct Plugin {
    const char *api;
    int api_version;
    const char *id;
    unsigned major, minor;
    void (*set_host)(Host *host);
    int (*main_entry)(const char *action, const void *handle, Handle in, Handle out);
} Plugin;
typedef struct Properties {
    int (*set_pointer)(Handle, const char *, int, void *);
    int (*set_string)(Handle, const char *, int, const char *);
    int (*set_double)(Handle, const char *, int, double);
    int (*set_int)(Handle, const char *, int, int);
    void *set_many[4];
    int (*get_pointer)(Handle, const char *, int, void **);
    int (*get_string)(Handle, const char *, int, char **);
    int (*get_double)(Handle, const char *, int, double *);
    int (*get_int)(Handle, const char *, int, int *);
    void *get_pointers, *get_strings;
    int (*get_doubles)(Handle, const char *, int, double *);
    int (*get_ints)(Handle, const char *, int, int *);
    int (*reset)(Handle, const char *);
    int (*get_dimension)(Handle, const char *, int *);
} Properties;
typedef struct Effects {
    int (*get_properties)(Handle, Handle *);
    int (*get_params)(Handle, Handle *);
    int (*define_clip)(Handle, const char *, Handle *);
    int (*get_clip)(Handle, const char *, Handle *, Handle *);
    int (*get_clip_properties)(Handle, Handle *);
    int (*get_image)(Handle, double, const Rect *, Handle *);
    int (*release_image)(Handle);
    int (*get_region)(Handle, double, Rect *);
    int (*abort)(Handle);
    void *memory[4];
} Effects;
typedef struct Params {
    int (*define)(Handle, const char *, const char *, Handle *);
    int (*get)(Handle, const char *, Handle *, Handle *);
    int (*get_set_properties)(Handle, Handle *);
    int (*get_properties)(Handle, Handle *);
    int (*value)(Handle, ...);
    int (*value_at)(Handle, double, ...);
    void *slopes[2];
    int (*set)(Handle, ...);
    int (*set_at)(Handle, double, ...);
    void *keys[8];
} Params;
typedef struct Messages {
    int (*say)(Handle, const char *, const char *, const char *, ...);
    int (*stick)(Handle, const char *, const char *, const char *, ...);
    int (*clear)(Handle);
} Messages;
typedef struct Progress {
    int (*start)(Handle, const char *);
    int (*update)(Handle, double);
    int (*end)(Handle);
} Progress;

/* What the two halves share: the host's suites, and handles that are kept for too long. */
extern Host *host;
extern const Properties *props;
extern const Effects *effects;
extern const Params *params;
extern const Messages *messages;
extern const Progress *progress;
extern int has_sticky, wirings;
extern Handle first_instance, old_effect, old_image;

int wrong(const char *what); /* whether that is to be done */
Handle find_param(Handle effect, const char *name);
Handle find_clip(Handle effect, const char *name);

int changed(Handle effect, Handle in);
int render(Handle effect, Handle in);
int is_mode(Handle effect, double time, int wanted);

#endif
