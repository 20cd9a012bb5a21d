/* The machine: a serial port, page faults, and power off. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The value written to QEMU's exit device. */
enum verdict { PASSED = 0x10, FAILED = 0x11, CRASHED = 0x12 };

void prepare_serial_port(void);
void prepare_page_faults(void);
/** Has interrupt `vector`, below 64, run `function`, which ends with IRETQ. */
void set_gate(int vector, void (*function)(void));
_Noreturn void power_off(enum verdict verdict);

void print_bytes(const char *text, size_t length);
void print(const char *text);
/** Prints a decimal number and its unit. */
void print_count(uint64_t count, const char *what);

/** Reads the word at `address`. Returns false if that faults. */
bool read_if_mapped(const uint64_t *address, uint64_t *value);
/** Writes the word at `address`. Returns false if that faults. */
bool write_if_allowed(uint64_t *address, uint64_t value);
/** Calls the code at `code`, which returns at once. Returns false if it cannot be executed. */
bool call_if_allowed(const void *code);
/** The address of the last page fault. */
extern uint64_t fault_address;

void *memset(void *to, int byte, size_t count);

#endif
