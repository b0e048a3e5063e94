-- The program that `gapless bench synth` measures blocks of: seven outputs, two buses that are instruments, chords with long
-- ends, filters that patterns move, a bank of tones, drums, echoes and rooms. More than 72 voices sound at a time.
bpm: 120
outmix: tanh

~x: saw 261.6 # lpf ("800 <300 500 200 999>" $ fast "<3 19 3 3 2 8 9>")
~y: pulse 130.8 "0.3 0.5" # svf_lp "900 <1500 600>" 0.4 # tremolo 3

o1: s "~x(7,17)" # note "c4'min7 f3'min7" # attack 0.02 # release 1.2 # gain 0.3 # delay 0.334 0.3 # reverb 0.9 0.1
o2: s "~y*4" # note "<c3'min7 f3'min7>" # release 1 # gain 0.25 # chorus
o3: s "supersaw(3,8)" # note "<c4 ef4 g4 bf3>" # release 0.8 # gain 0.2 # djf "<0.3 0.6>" # delay 0.25 0.4
o4: s "[saw,square]*8" # note "<c5'min7 f4'min7>" # cutoff "<900 2400 1200>" # resonance 0.3 # attack 0.01 # release 1.1 # pan "0 1 0.3 0.7" # gain 0.06 # reverb 0.7 0.3
o5: s "bd(4,17)" # gain 0.9
o6: s "808lt(4,17,2)" # gain 0.6 # distortion 2
o7: s "[hh*8, ~ sn ~ sn]" # pan "0.3 0.7" # gain 0.5 # bitcrush 10 # hpf 200
