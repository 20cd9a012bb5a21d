; The 512 parts of a large leaf map each byte to where the leaf maps it, and so exactly its memory,
; with the same property and the same owner, whether it is present or not.
; broken part: the parts are as far apart as pages of the whole's size
;   find: (bvmul number (byteCount partSize))
;   put: (bvmul number (byteCount size))
; broken part: the parts begin with the second
;   find: (bvmul number (byteCount partSize))
;   put: (bvmul (bvadd number (_ bv1 64)) (byteCount partSize))
; broken part: the parts have the size bit of the whole
;   find: (property entry size) partSize
;   put: (property entry size) size
; broken part: what a fork has marked is forgotten
;   find: (bvand entry forkMask)
;   put: (_ bv0 64)
(declare-const bits Word)
(declare-const marks Word)
(declare-const address Word)
(declare-const size Word)
(declare-const ownsFrame Word)
(declare-const offset Word)
(assert (isProperty bits))
(assert (and (or (= size (_ bv1 64)) (= size (_ bv2 64))) (isTruth ownsFrame)))
(assert (and (isAligned address (byteCount size)) (bvult address #x0010000000000000)))
(assert (= (bvand marks forkMask) marks))
(assert (bvult offset (byteCount size)))
(assert (not
  (let ((whole (bvor (leaf bits address size ownsFrame (_ bv1 64)) marks))
      (partSize (bvsub size (_ bv1 64))))
    (let ((entry (part whole size (bvlshr offset (shift size)))))
      (and
        (= (bvadd
            (leafAddress entry partSize)
            (bvand offset (bvsub (byteCount partSize) (_ bv1 64))))
          (bvadd address offset))
        (= (property entry partSize) (property whole size))
        (= (has entry ownsFrameBit) (has whole ownsFrameBit))
        (= (bvand entry forkMask) (bvand whole forkMask))
        (= (has entry largePage) (= size (_ bv2 64))))))))
