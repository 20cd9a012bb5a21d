; A user range is accepted if and only if its end, computed without wrapping, is at most one page
; below the end of the lower half. All of its addresses are then canonical, and below the kernel's.
; broken isUserRange: a length that wraps past 2^64 is accepted
;   find: (isVirtualSum address byteCount)
;   put: true
; broken isUserRange: the last page of the lower half is accepted
;   find: (bvsub (lowerHalfEnd (_ bv4 64)) (_ bv4096 64))
;   put: (lowerHalfEnd (_ bv4 64))
(declare-const address Word)
(declare-const length Word)
(declare-const offset Word)
(define-fun end () (_ BitVec 65)
  (bvadd ((_ zero_extend 1) address) ((_ zero_extend 1) length)))
(assert (not
  (and
    (= (isUserRange address length) (bvule end ((_ zero_extend 1) #x00007ffffffff000)))
    (=> (and (isUserRange address length) (bvult offset length))
      (let ((byte (bvadd address offset)))
        (and (isCanonical byte (_ bv4 64)) (bvult byte #x00007ffffffff000)))))))
