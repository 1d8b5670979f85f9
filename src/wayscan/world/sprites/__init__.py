"""The sprite world: tracking clips and training samples composed in 2-D from pictures, by (seed, index).

    clip = make_clip(seed=0, index=3)  # a data.Clip: frames, exact boxes, visibility, absences
    batch = training_batch(seed=0, start=0, count=64)  # crops, past boxes, labels
    spec = PairSpec(sources=Sources(images=PHOTOS, segments=LABELS, cache=FILE))  # one's own photographs

Rooms: textures, cutouts and library (what there is), cast (who plays), compose (drawing and visibility),
damage (cameras), motion and clips (videos), moments and pairs (samples). Keep seeds of training and
measuring apart.

What GENERATOR_VERSION 1 makes, with 500 photographs and their segmentations (5 / 50 / 95 % quantiles):

- Targets: 50 % objects cut out of photographs, 28 % parts of the scene itself, 14 % shapes filled with
  photograph, 8 % with procedural texture; 15 % of the sprites are followed by a part. A kind of which the
  library has fewer than 300 is drawn in proportion. Scenes: 85 % photographs (60 % when there are fewer
  than 100).
- Samples: 11.7 % absent (removed, covered, or the crop is elsewhere); of the others 12 % less than 0.7
  visible. 59 % have 1 to 3 distractors: of those beside sprites 35 % are the target's twin, 20 % its
  photograph's other object. Target √(w·h) in the video 17 / 45 / 102 px, in the search crop 0.14 / 0.24 /
  0.43 of its side; centre off the crop's middle by 0.03 / 0.15 / 0.43; template to search scale 0.62 / 1.02
  / 1.71. 20 % of the search crops lie around a deliberately wrong box, whose log size is N(0.15, 0.45) per
  side; the others' is N(0, 0.35).
- Clips, 90 frames of 192 × 256: motion 0.010 / 0.052 / 0.173 target sides a frame, largest over smallest
  size 1.08 / 1.5 / 3.3; 15 % of the clips have absent frames (3.4 % of all frames), 77 % a frame that shows
  less than 0.7 of the target (18 % of all frames). Keeping the first box still scores an average overlap of
  0.16.
- Cameras: grey 8 %; noise, blur and JPEG 40 % each; low resolution 12 %; shaken samples 15 %.
"""

from wayscan.lazy import lazy_names

# Part of a result's name: any change of what (seed, index) gives needs a new one.
GENERATOR_VERSION = 1

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ClipSpec": ".clips",
        "Library": ".library",
        "PairSpec": ".pairs",
        "Sources": ".library",
        "build_library": ".library",
        "library_for": ".library",
        "make_clip": ".clips",
        "training_batch": ".pairs",
        "training_sample": ".pairs",
    },
)
