# Every form of statement and expression at least once.
bpm: 120 "4/4"   # four beats are a bar
outmix: tanh

-- buses, before and after what uses them
~lfo: sine 0.25 * 0.5 + 0.5
~room # reverb 0.7 :mix 0.2 # gain 0.9
~gritty x bits $ x # bitcrush bits
~echo: ~dry # delay 0.25 + ~echo * 0.3
~dry: saw "110 <220 165>" # lpf (~lfo * 2000 + 300, 0.8)
~melody $ note ("0 .. 3" + "<0 12>")
~swap: fast 2 . rev

fn louder x by = x * by
@soft: lpf(500, 0.8) # gain "0.5 1"
%turns: "<2 3>"
%four: 4

o1: s "bd*2 [sn, hh:2]"
    # n "0 .. 3"
    # gain (range 0.5 1 sine)
    # @soft
d2 $ every %four (# lpf 300) $ off 0.125 (# crush 8) $ fast %turns $ s "cp ~"
out3: ~swap $ stack [s "hh*4", s "oh" # speed "-1"]
o4: s "~dry(3,8)" # ~melody # ~room
o5: louder (~gritty (~echo) 4) 0.5
o6: saw "100 200" $ fast 2
o7: -(s "lt" * 0.5) + noise * -0.1
o8: (note (scale "minor" "0 2 4") # s "saw" # legato 0.5) |+| note 12 |- gain 0.1
hush5
hush6
unhush5
nudge -1/8
