/* What this kernel has besides memory: a serial port, page faults, and an end. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How the machine was left: what QEMU's exit device is told. */
enum verdict { PASSED = 0x10, FAILED = 0x11, CRASHED = 0x12 };

void prepare_serial_port(void);
void prepare_page_faults(void);
_Noreturn void power_off(enum verdict verdict);

void print_bytes(const char *text, size_t length);
void print(const char *text);
/** A decimal number and what it counts. */
void print_count(uint64_t count, const char *what);

/** Reads the word at `address`, or returns false if that is a page fault. */
bool read_if_mapped(const uint64_t *address, uint64_t *value);
/** The address of the last page fault. */
extern uint64_t fault_address;

void *memset(void *to, int byte, size_t count);

#endif
