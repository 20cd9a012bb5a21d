; A path through locked nodes goes on after the address that it was made for, or is the last, at the
; top of the address space. All addresses before that are in the same table, and so is none of them
; in the other half: the hole between the halves is not crossed. For levels below the root.
; broken pathEnd: the index is in entries of the level above
;   find: (bvshl next (shift level))
;   put: (bvshl next (bvadd (shift level) (_ bv9 64)))
;   test: a cursor locks exactly the nodes that overlap its range
; broken pathEnd: the index counts from the entry of the address
;   find: (tableSpan level)
;   put: (span level)
;   test: a cursor locks exactly the nodes that overlap its range
(declare-const address Word)
(declare-const level Word)
(declare-const next Word)
(declare-const between Word)
(declare-const rootLevel Word)
(assert (isRootLevel rootLevel))
(assert (and (isLevel level) (bvult level rootLevel)))
(assert (isCanonical address rootLevel))
(assert (and (bvult (index address level) next) (bvule next (_ bv512 64))))
(assert (not
  (let ((end (pathEnd address level next)))
    (and
      (or (bvugt end address)
        (and (= end (_ bv0 64)) (= next (_ bv512 64))))
      (=> (and (bvule address between) (or (= end (_ bv0 64)) (bvult between end)))
        (and
          (= (alignedDown between (tableSpan level)) (alignedDown address (tableSpan level)))
          (isCanonical between rootLevel)
          (= (bvslt between (_ bv0 64)) (bvslt address (_ bv0 64)))))))))
