; A sum is nil exactly if it is too large: 2^64 or more of a virtual address, more than 2^52 of a
; physical one.
; broken isVirtualSum: a sum that wraps to just its start is not noticed
;   find: (not (bvult (bvadd address byteCount) address))
;   put: (bvule address (bvadd address byteCount (_ bv1 64)))
; broken isPhysicalSum: physical memory ends one byte too early
;   find: (bvule (bvadd address byteCount) #x0010000000000000)
;   put: (bvult (bvadd address byteCount) #x0010000000000000)
; broken isPhysicalSum: a physical sum is compared after it has wrapped
;   find: (not (bvult (bvadd address byteCount) address))
;   put: true
(declare-const address Word)
(declare-const length Word)
(define-fun sum () (_ BitVec 65)
  (bvadd ((_ zero_extend 1) address) ((_ zero_extend 1) length)))
(assert (not
  (and
    (= (isVirtualSum address length) (= ((_ extract 64 64) sum) #b0))
    (=> (bvule address #x0010000000000000)
      (= (isPhysicalSum address length)
        (bvule sum ((_ zero_extend 1) #x0010000000000000)))))))
