/** System calls that every container may make, by topic. */
export const ALLOWED: readonly string[] = names(`
  files:
    open openat openat2 creat close close_range name_to_handle_at
    read pread64 readv preadv preadv2 readahead
    write pwrite64 writev pwritev pwritev2 lseek _llseek
    sendfile sendfile64 splice tee vmsplice copy_file_range
    sync syncfs fsync fdatasync sync_file_range sync_file_range2 cachestat
    truncate truncate64 ftruncate ftruncate64 fallocate fadvise64 fadvise64_64
    dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2 memfd_create memfd_secret
  names:
    access faccessat faccessat2 chdir fchdir getcwd readdir getdents getdents64
    mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat readlink readlinkat
    unlink unlinkat rename renameat renameat2
  metadata:
    stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx
    statfs statfs64 fstatfs fstatfs64
    chmod fchmod fchmodat fchmodat2 umask
    chown chown32 lchown lchown32 fchown fchown32 fchownat
    utime utimes futimesat utimensat utimensat_time64
    getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat
    listxattr llistxattr flistxattr listxattrat
    removexattr lremovexattr fremovexattr removexattrat
    file_getattr file_setattr
  waiting:
    select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old
    epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
    eventfd eventfd2 signalfd signalfd4
    inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
    io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64
  memory:
    brk mmap mmap2 munmap mremap mprotect madvise mincore msync remap_file_pages
    mlock mlock2 mlockall munlock munlockall mseal membarrier map_shadow_stack
    pkey_alloc pkey_free pkey_mprotect process_mrelease
  processes:
    fork vfork execve execveat exit exit_group wait4 waitid waitpid
    getpid getppid gettid getpgid getpgrp setpgid getsid setsid
    getpriority setpriority getrusage getrlimit ugetrlimit setrlimit prlimit64 times
    prctl ptrace process_vm_readv process_vm_writev
    pidfd_open pidfd_getfd pidfd_send_signal
    set_tid_address set_thread_area get_thread_area set_robust_list get_robust_list rseq
    futex futex_time64 futex_wait futex_wake futex_requeue futex_waitv restart_syscall
    seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
    lsm_get_self_attr lsm_set_self_attr lsm_list_modules
  scheduling:
    sched_yield sched_getaffinity sched_setaffinity getcpu
    sched_getattr sched_setattr sched_getparam sched_setparam
    sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval sched_rr_get_interval_time64 ioprio_get ioprio_set
  signals:
    kill tkill tgkill pause alarm
    sigaction signal sigaltstack sigpending sigprocmask sigreturn sigsuspend
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
  users:
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32
    getresuid getresuid32 getresgid getresgid32 getgroups getgroups32
    setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32
    setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32
    setgroups setgroups32 capget capset
  time:
    time gettimeofday nanosleep adjtimex clock_adjtime clock_adjtime64
    clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 getitimer setitimer
    timer_create timer_delete timer_getoverrun
    timer_gettime timer_gettime64 timer_settime timer_settime64
    timerfd timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
  network:
    socketcall socketpair bind listen accept accept4 connect shutdown
    getsockname getpeername getsockopt setsockopt
    recv recvfrom recvmsg recvmmsg recvmmsg_time64 send sendto sendmsg sendmmsg
  queues:
    ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64
    shmat shmctl shmdt shmget
    mq_open mq_unlink mq_notify mq_getsetattr
    mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
  system:
    uname sysinfo getrandom syscall
`);

/** Architecture-specific system calls that every container may make. */
export const ALLOWED_ON: Readonly<Record<string, readonly string[]>> = {
  "386": ["modify_ldt"],
  amd64: ["arch_prctl", "modify_ldt", "uretprobe"],
  arm: names("arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls"),
  arm64: names("arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls"),
  ppc64le: ["swapcontext"],
  riscv64: ["riscv_flush_icache", "riscv_hwprobe"],
  s390x: names("s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"),
};

/** System calls that require a capability, by its name. */
export const ALLOWED_WITH: Readonly<Record<string, readonly string[]>> = {
  CAP_BPF: ["bpf"],
  CAP_DAC_READ_SEARCH: ["open_by_handle_at"],
  CAP_PERFMON: ["perf_event_open"],
  // Most of these create or join namespaces, in which a program has every capability.
  CAP_SYS_ADMIN: names(`
    bpf clone clone3 unshare setns mount umount umount2 mount_setattr move_mount pivot_root
    open_tree open_tree_attr fsopen fsconfig fsmount fspick listmount statmount
    fanotify_init lookup_dcookie perf_event_open quotactl quotactl_fd
    sethostname setdomainname syslog
  `),
  CAP_SYS_BOOT: ["reboot"],
  CAP_SYS_CHROOT: ["chroot"],
  CAP_SYS_MODULE: names("delete_module finit_module init_module query_module"),
  CAP_SYS_NICE: names("get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
  CAP_SYS_PACCT: ["acct"],
  CAP_SYS_PTRACE: names("kcmp process_madvise"),
  CAP_SYS_RAWIO: names("ioperm iopl"),
  CAP_SYS_TIME: names("clock_settime clock_settime64 settimeofday stime"),
  CAP_SYS_TTY_CONFIG: ["vhangup"],
  CAP_SYSLOG: ["syslog"],
};

/**
 * System calls that no container may make. They fail with `EPERM`, because no program needs to
 * detect that they are missing.
 */
export const REFUSED: readonly string[] = names(`
  add_key request_key keyctl
  kexec_file_load kexec_load swapon swapoff nfsservctl
  io_uring_setup io_uring_enter io_uring_register
  migrate_pages move_pages userfaultfd
  bdflush nice oldfstat oldlstat oldstat oldolduname olduname sgetmask ssetmask sysfs uselib ustat
  pciconfig_iobase pciconfig_read pciconfig_write vm86 vm86old
`);

/** Returns the names in a text, without the headings. */
function names(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "" && !word.endsWith(":"));
}
