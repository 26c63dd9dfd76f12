// SPDX-License-Identifier: Apache-2.0
#include "sim/hostile_words.h"

#include "server/core.h"

static const struct sim_wrong_words malformed[] = {
    {"FQ.SUBMIT",                                                  SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00",                                           SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID",                                      SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID no-uuid",                              SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID 00000000-0000-0000-0000-000000000000", SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % PRIORITY urgent",                    SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % DELAY -1",                           SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % DELAY 1 AT 1800000000000",           SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % DELAY 99999999999999999999",         SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % AT 0",                               SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % EXPIRES 0",                          SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % TIMEOUT 0",                          SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % RETRIES 1000000",                    SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % RETRIES 1.5",                        SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % ENCODING pickle",                    SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % ENCODING",                           SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task00 x ID % TURBO on",                           SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT task\x01 x ID %",                                  SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.SUBMIT \xff\xfe x ID %",                                  SIM_SUBMIT,   FQ_ROLE_SUBMIT},
    {"FQ.RESULT",                                                  SIM_RESULT,   FQ_ROLE_SUBMIT},
    {"FQ.RESULT nobody",                                           SIM_RESULT,   FQ_ROLE_SUBMIT},
    {"FQ.RESULT % WAIT",                                           SIM_RESULT,   FQ_ROLE_SUBMIT},
    {"FQ.RESULT % WAIT -5",                                        SIM_RESULT,   FQ_ROLE_SUBMIT},
    {"FQ.STATUS % %",                                              SIM_RESULT,   FQ_ROLE_SUBMIT},
    {"FQ.CANCEL x",                                                SIM_CANCEL,   FQ_ROLE_SUBMIT},
    {"FQ.CANCEL %",                                                SIM_CANCEL,   FQ_ROLE_SUBMIT},
    {"FQ.REGISTER",                                                SIM_REGISTER, FQ_ROLE_WORK  },
    {"FQ.REGISTER intruder TASKS",                                 SIM_REGISTER, FQ_ROLE_WORK  },
    {"FQ.REGISTER intruder INSTANCE a SLOTS 1",                    SIM_REGISTER, FQ_ROLE_WORK  },
    {"FQ.REGISTER intruder TASKS task00 SLOTS 0",                  SIM_REGISTER, FQ_ROLE_WORK  },
    {"FQ.REGISTER intruder TASKS task00 SLOTS 1 META odd",         SIM_REGISTER, FQ_ROLE_WORK  },
    {"FQ.FETCH",                                                   SIM_FETCH,    FQ_ROLE_WORK  },
    {"FQ.FETCH TASKS",                                             SIM_FETCH,    FQ_ROLE_WORK  },
    {"FQ.FETCH TASKS task00 COUNT 0",                              SIM_FETCH,    FQ_ROLE_WORK  },
    {"FQ.FETCH TASKS task00 COUNT 1000000",                        SIM_FETCH,    FQ_ROLE_WORK  },
    {"FQ.FETCH TASKS task00 BLOCK -1",                             SIM_FETCH,    FQ_ROLE_WORK  },
    {"FQ.FETCH WORKER nobody-knows-him",                           SIM_FETCH,    FQ_ROLE_WORK  },
    {"FQ.COMPLETE % 1",                                            SIM_COMPLETE, FQ_ROLE_WORK  },
    {"FQ.COMPLETE % abc x",                                        SIM_COMPLETE, FQ_ROLE_WORK  },
    {"FQ.COMPLETE % 18446744073709551616 x",                       SIM_COMPLETE, FQ_ROLE_WORK  },
    {"FQ.COMPLETE % 7 x",                                          SIM_COMPLETE, FQ_ROLE_WORK  },
    {"FQ.FAIL % 7 E m",                                            SIM_FAIL,     FQ_ROLE_WORK  },
    {"FQ.FAIL % 7 E",                                              SIM_FAIL,     FQ_ROLE_WORK  },
    {"FQ.HEARTBEAT % 7",                                           SIM_OTHER,    FQ_ROLE_WORK  },
    {"FQ.HEARTBEAT % 7 asleep",                                    SIM_OTHER,    FQ_ROLE_WORK  },
    {"FQ.RELEASE %",                                               SIM_RELEASE,  FQ_ROLE_WORK  },
    {"FQ.RELEASE % 7",                                             SIM_RELEASE,  FQ_ROLE_WORK  },
    {"FQ.LIST STATUS dreaming",                                    SIM_LIST,     FQ_ROLE_READ  },
    {"FQ.LIST COUNT 0",                                            SIM_LIST,     FQ_ROLE_READ  },
    {"FQ.LIST COUNT 100000",                                       SIM_LIST,     FQ_ROLE_READ  },
    {"FQ.QUEUES CURSOR x",                                         SIM_STATS,    FQ_ROLE_READ  },
    {"FQ.STATS all",                                               SIM_STATS,    FQ_ROLE_READ  },
    {"FQ.DEAD",                                                    SIM_LIST,     FQ_ROLE_READ  },
    {"FQ.DEAD EAT",                                                SIM_OTHER,    FQ_ROLE_READ  },
    {"FQ.NOTHING",                                                 SIM_OTHER,    0             },
    {"SET a b",                                                    SIM_OTHER,    0             },
    {"EVAL return 0",                                              SIM_OTHER,    0             },
    {"SELECT 1",                                                   SIM_OTHER,    0             },
    {"CLIENT KILL",                                                SIM_OTHER,    0             },
    {"HELLO 4",                                                    SIM_OTHER,    0             },
    {"AUTH",                                                       SIM_OTHER,    0             },
};

static const struct sim_wrong_words privileged[] = {
    {"FQ.SUBMIT task00 x ID %",           SIM_SUBMIT,       FQ_ROLE_SUBMIT                               },
    {"FQ.CANCEL %",                       SIM_CANCEL,       FQ_ROLE_SUBMIT | FQ_ROLE_ADMIN               },
    {"FQ.RESULT %",                       SIM_RESULT,       FQ_ROLE_SUBMIT | FQ_ROLE_READ | FQ_ROLE_ADMIN},
    {"FQ.STATUS %",                       SIM_RESULT,       FQ_ROLE_SUBMIT | FQ_ROLE_READ | FQ_ROLE_ADMIN},
    {"FQ.WATCH %",                        SIM_WATCH,        FQ_ROLE_SUBMIT | FQ_ROLE_READ | FQ_ROLE_ADMIN},
    {"FQ.REGISTER intruder TASKS task00", SIM_REGISTER,     FQ_ROLE_WORK                                 },
    {"FQ.UNREGISTER worker-0",            SIM_UNREGISTER,   FQ_ROLE_WORK                                 },
    {"FQ.FETCH TASKS task00 COUNT 9",     SIM_FETCH,        FQ_ROLE_WORK                                 },
    {"FQ.COMPLETE % 7 x",                 SIM_COMPLETE,     FQ_ROLE_WORK                                 },
    {"FQ.FAIL % 7 E m",                   SIM_FAIL,         FQ_ROLE_WORK                                 },
    {"FQ.HEARTBEAT",                      SIM_HEARTBEAT,    FQ_ROLE_WORK                                 },
    {"FQ.RELEASE % 7",                    SIM_RELEASE,      FQ_ROLE_WORK                                 },
    {"FQ.QUEUES",                         SIM_STATS,        FQ_ROLE_READ | FQ_ROLE_ADMIN                 },
    {"FQ.WORKERS",                        SIM_STATS,        FQ_ROLE_READ | FQ_ROLE_ADMIN                 },
    {"FQ.LIST",                           SIM_LIST,         FQ_ROLE_READ | FQ_ROLE_ADMIN                 },
    {"FQ.STATS",                          SIM_STATS,        FQ_ROLE_READ | FQ_ROLE_ADMIN                 },
    {"CONFIG GET *",                      SIM_OTHER,        FQ_ROLE_READ | FQ_ROLE_ADMIN                 },
    {"FQ.PAUSE",                          SIM_PAUSE,        FQ_ROLE_ADMIN                                },
    {"FQ.RESUME",                         SIM_RESUME,       FQ_ROLE_ADMIN                                },
    {"FQ.DEAD PURGE ALL",                 SIM_DEAD_PURGE,   FQ_ROLE_ADMIN                                },
    {"FQ.DEAD REQUEUE ALL",               SIM_DEAD_REQUEUE, FQ_ROLE_ADMIN                                },
};

const struct sim_wrong_words *sim_malformed(size_t *ret_count) {
    *ret_count = sizeof malformed / sizeof malformed[0];
    return malformed;
}

const struct sim_wrong_words *sim_privileged(size_t *ret_count) {
    *ret_count = sizeof privileged / sizeof privileged[0];
    return privileged;
}
