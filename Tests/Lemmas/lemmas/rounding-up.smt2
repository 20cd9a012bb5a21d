; A physical address rounded up is a multiple of the alignment, at least the address, less than one
; alignment above, and still a physical address: it never wraps.
; broken alignedUp: the whole alignment is added, so that multiples move
;   find: (bvadd address (bvsub alignment (_ bv1 64)))
;   put: (bvadd address alignment)
(declare-const address Word)
(declare-const alignment Word)
(assert (bvule address #x0010000000000000))
(assert (isPowerOfTwo alignment))
(assert (bvule alignment #x0010000000000000))
(assert (not
  (let ((up (alignedUp address alignment)))
    (and
      (isAligned up alignment)
      (bvule address up)
      (bvult (bvsub up address) alignment)
      (bvule up #x0010000000000000)))))
