; Below the maximum, each share adds one and each drop takes one away; the drop from one is the last
; and no other is. Sharing and dropping what is no number of owners panics: a frame in transition,
; unused, free, unique or a tail.
; broken dropIsLast: the drop from two is the last
;   find: (_ bv1 64)
;   put: (_ bv2 64)
; broken dropIsSlow: a count of zero is dropped
;   find: (bvuge (bvsub old (_ bv2 64)) (bvsub maximum (_ bv2 64)))
;   put: (bvuge old maximum)
;   mutant: counts-unowned-released
; broken shareIsSlow: sharing saturates one too early
;   find: (bvuge (bvsub old (_ bv1 64)) (bvsub maximum (_ bv2 64)))
;   put: (bvuge (bvsub old (_ bv1 64)) (bvsub maximum (_ bv3 64)))
; broken isShared: every count is a number of owners
;   find: (bvult (bvsub count (_ bv1 64)) maximum)
;   put: true
(declare-const old Word)
(declare-const state Word)
(declare-const added Word)
(assert (or (= state (_ bv0 64)) (bvuge state #xfffffffffffffffc)))
(assert (bvult added #x0000000100000000))
(assert (not
  (and
    (=> (and (bvule (_ bv1 64) old) (bvult old (bvsub maximum (_ bv1 64))))
      (= (countAfterShare old) (bvadd old (_ bv1 64))))
    (=> (and (bvule (_ bv1 64) old) (bvult old maximum))
      (and
        (= (countAfterDrop old) (bvsub old (_ bv1 64)))
        (= (dropIsLast old) (= (countAfterDrop old) (_ bv0 64)))))
    (=> (and (bvule (_ bv1 64) old) (bvult old (bvsub maximum added)))
      (= (countAfterShareMany old added) (bvadd old added)))
    (dropPanics state)
    (sharePanics state)
    (not (dropIsLast state)))))
