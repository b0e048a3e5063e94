// Programs to begin with. The first one greets a new visitor.

export const EXAMPLES = [
  {
    name: "A beat",
    text: `bpm: 124
outmix: tanh

-- drums: change a word, then press Ctrl+Enter
o1: s "bd*4" # gain 0.9
o2: s "~ cp ~ [cp | cp*2]" # gain 0.6
o3: s "hh*8" # gain "0.3 0.5 <0.4 0.7> 0.5" # pan "0.3 0.7"
o4: s "~ ~ ~ rim(3,8,<0 2>)" # gain 0.5 # delay 0.18 0.4

-- a bass that opens and closes
~open: sine 0.125 * 700 + 900
o5: s "saw(5,8,<0 0 2>)" # note "<c2 c2 ef2 g1>" # gain 0.5
    # decay 0.16 # lpf (~open, 0.5)
`,
  },
  {
    name: "A bus as an instrument",
    text: `bpm: 120
~x: saw 440 # lpf ("800 <300 500 200 999>" $ fast "<3 19 3 3 2 8 9>")
o1: s "~x(7,17)" # note "c4'min7 f3'min7" # delay 0.334 0.3 # reverb 0.9 0.1
o2: s "bd(4,17)"
o3: s "808lt(4,17,2)"
`,
  },
  {
    name: "Plucked strings",
    text: `bpm: 100

-- answered an eighth later by an echo of themselves
o1: off 0.125 (|+ note 7) $ every 3 rev $ s "pluck*8"
    # note "<[0 3 7 10] [0 5 8 12] [2 5 7 10]>*8?0.2" # gain 0.5
    # pan "<0.3 0.7>*8" # reverb 0.7 0.25

o2: s "sine(3,8)" # note "<c2 f2 g2>" # gain 0.7 # decay 0.35
o3: every 4 (ply 2) $ s "rim(5,8) , hh*4" # gain 0.25
`,
  },
  {
    name: "Slow chords",
    text: `tempo: 0.25
outmix: tanh

-- chords that come and go
~slow: sine 0.05 * 500 + 900
o1: s "supersaw" # note "<c3'min7 af2'maj7 ef3'maj7 bf2'dom7>"
    # attack 1.2 # release 2.5 # gain 0.35
    # lpf (~slow, 0.3) # chorus # reverb 0.9 0.5

-- drops, now and then, left and right
o2: jux rev $ sometimesBy 0.4 (|+ note 12) $ s "tri*8?0.6"
    # note "<c5 ef5 g5 bf5 d6>*8" # gain 0.18
    # decay 0.3 # delay 0.375 0.55 # reverb 0.9 0.4

-- a breath of wind
o3: pink_noise * (sine 0.07 * 0.03 + 0.04) # lpf (sine 0.11 * 400 + 700)
`,
  },
];
